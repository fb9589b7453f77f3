// problem_list.h: what verify has found.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "oncelog/inspect.h"

namespace oncelog::inspect {

/// Keeps the first problems of each file: one wrong byte can make all that follows it look wrong.
class ProblemList {
 public:
  static constexpr std::size_t kPerFileMax = 16;

  void add(const std::string& file, std::int64_t position, std::string text) {
    std::size_t& count = counts_[file];
    if (++count <= kPerFileMax) problems_.push_back({file, position, std::move(text)});
  }

  [[nodiscard]] bool is_empty() const { return counts_.empty(); }
  [[nodiscard]] bool has(const std::string& file) const { return counts_.contains(file); }

  /// The problems, and for each file with more of them how many more.
  [[nodiscard]] std::vector<Problem> take() && {
    for (const auto& [file, count] : counts_) {
      if (count <= kPerFileMax) continue;
      problems_.push_back({file, 0, std::to_string(count - kPerFileMax) + " more problems"});
    }
    return std::move(problems_);
  }

 private:
  std::vector<Problem> problems_;
  std::map<std::string, std::size_t> counts_;
};

}  // namespace oncelog::inspect
