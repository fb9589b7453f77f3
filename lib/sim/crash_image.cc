#include "sim/crash_image.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <numeric>
#include <random>
#include <utility>

namespace oncelog::sim {

namespace {

constexpr std::string_view kFateLetters = "-+~0/";
constexpr std::string_view kSeedWord = " seed ";

/// Makes the changes that survive to what is stored.
class PowerLoss {
 public:
  PowerLoss(const DiskState& before, const CrashChoice& choice, const DevicePromises& device)
      : inodes_(before.inodes()),
        changes_(before.unsynced()),
        fates_(choice.fates),
        device_(device),
        random_(choice.seed) {
    fates_.resize(changes_.size(), Fate::kLost);
  }

  DiskState leave() {
    if (device_.is_rename_after_data) keep_data_of_names();
    for (std::size_t i = 0; i < changes_.size(); ++i) {
      if (fates_[i] == Fate::kLost) continue;
      const auto* write = std::get_if<WriteChange>(&changes_[i]);
      if (write == nullptr || fates_[i] == Fate::kKept) {
        make_change(inodes_, changes_[i], &Inode::stored, &Inode::stored_names);
      } else if (fates_[i] == Fate::kTorn) {
        tear(*write);
      } else if (fates_[i] == Fate::kHalf) {
        const Bytes bytes(write->bytes);
        put_bytes(inodes_.at(write->file).stored, write->position, bytes.first(bytes.size() / 2));
      } else if (!device_.is_append_safe) {
        grow(inodes_.at(write->file).stored, end_of(*write));
      }
    }
    return DiskState(std::move(inodes_));
  }

 private:
  static std::int64_t end_of(const WriteChange& write) {
    return write.position + std::ssize(write.bytes);
  }
  static void grow(Content& content, std::int64_t bytes) {
    if (std::ssize(content) < bytes) content.resize(static_cast<std::size_t>(bytes));
  }
  int draw(int count) { return static_cast<int>(random_() % static_cast<std::uint64_t>(count)); }

  void keep_data_of_names() {
    for (std::size_t i = 0; i < changes_.size(); ++i) {
      const auto* link = std::get_if<LinkChange>(&changes_[i]);
      if (link == nullptr || !link->old_name || fates_[i] == Fate::kLost) continue;
      for (std::size_t earlier = 0; earlier < i; ++earlier) {
        if (is_synced_by(changes_[earlier], link->target)) fates_[earlier] = Fate::kKept;
      }
    }
  }

  /// Sector by sector. What the write has not touched stays: the rest of its first and last sector
  /// was synced before, perhaps.
  void tear(const WriteChange& write) {
    Content& stored = inodes_.at(write.file).stored;
    std::int64_t position = write.position;
    while (position < end_of(write)) {
      const std::int64_t sector_end = (position / device_.sector_bytes + 1) * device_.sector_bytes;
      const std::int64_t end = std::min(sector_end, end_of(write));
      const Bytes part = Bytes(write.bytes)
                             .subspan(static_cast<std::size_t>(position - write.position),
                                      static_cast<std::size_t>(end - position));
      const bool would_leave_a_hole = device_.is_append_safe && std::ssize(stored) < position;
      if (!would_leave_a_hole) tear_sector(stored, position, part);
      position = end;
    }
    if (!device_.is_append_safe && draw(2) == 0) grow(stored, end_of(write));
  }

  void tear_sector(Content& stored, std::int64_t position, Bytes part) {
    switch (draw(device_.is_sector_atomic ? 2 : 4)) {
      case 0:
        return;
      case 3:
        return put_garbage(stored, position, part);
      default:
        return put_bytes(stored, position, part);
    }
  }

  void put_garbage(Content& stored, std::int64_t position, Bytes part) {
    Content garbage(part.begin(), part.end());
    const auto from = static_cast<std::size_t>(draw(static_cast<int>(part.size())));
    for (std::size_t i = from; i < garbage.size(); ++i) {
      garbage[i] = static_cast<std::byte>(random_());
    }
    put_bytes(stored, position, garbage);
  }

  std::map<InodeNumber, Inode> inodes_;
  const std::vector<Change>& changes_;
  std::vector<Fate> fates_;
  const DevicePromises device_;
  std::mt19937_64 random_;
};

/// Choices without doubles, in the order in which they were thought of.
class ChoiceList {
 public:
  explicit ChoiceList(std::size_t change_count) : change_count_(change_count) {}

  void add(CrashChoice choice) {
    choice.fates.resize(change_count_, Fate::kLost);
    if (std::ranges::find(choices_, choice) == choices_.end()) {
      choices_.push_back(std::move(choice));
    }
  }
  std::vector<CrashChoice> take() { return std::move(choices_); }

 private:
  std::size_t change_count_;
  std::vector<CrashChoice> choices_;
};

/// The changes whose fates are gone through one by one.
std::vector<std::size_t> choose_changes(std::size_t count, std::size_t chosen_max,
                                        std::mt19937_64& random) {
  std::vector<std::size_t> all(count);
  std::iota(all.begin(), all.end(), 0U);
  if (count <= chosen_max) return all;
  const auto last = all.end() - static_cast<std::ptrdiff_t>(chosen_max / 2);
  std::vector<std::size_t> chosen;
  std::sample(all.begin(), last, std::back_inserter(chosen), chosen_max - chosen_max / 2, random);
  chosen.insert(chosen.end(), last, all.end());
  return chosen;
}

}  // namespace

std::string print_choice(const CrashChoice& choice) {
  std::string text;
  for (const Fate fate : choice.fates) text += kFateLetters[std::to_underlying(fate)];
  if (text.empty()) text = "-";
  return text + std::string(kSeedWord) + std::to_string(choice.seed);
}

Result<CrashChoice> parse_choice(std::string_view text) {
  const auto refuse = [&] {
    return fail(ErrorCode::INVALID_CONFIG, "crash choice: \"", text,
                "\": expected a letter of -+~0/ for each change, \"seed\" and a number");
  };
  const std::size_t fates_end = text.find(kSeedWord);
  if (fates_end == std::string_view::npos || fates_end == 0) return refuse();
  CrashChoice choice;
  for (const char letter : text.substr(0, fates_end)) {
    const std::size_t fate = kFateLetters.find(letter);
    if (fate == std::string_view::npos) return refuse();
    choice.fates.push_back(static_cast<Fate>(fate));
  }
  const std::string_view digits = text.substr(fates_end + kSeedWord.size());
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), choice.seed);
  if (error != std::errc{} || end != digits.data() + digits.size()) return refuse();
  return choice;
}

DiskState lose_power(const DiskState& before, const CrashChoice& choice,
                     const DevicePromises& device) {
  return PowerLoss(before, choice, device).leave();
}

std::vector<CrashChoice> choose_images(const DiskState& before, const ImageOptions& options) {
  const std::size_t count = before.unsynced().size();
  std::mt19937_64 random(options.seed);
  ChoiceList list(count);
  list.add({{}, 0});
  list.add({std::vector<Fate>(count, Fate::kKept), 0});
  const std::vector<std::size_t> chosen = choose_changes(count, options.systematic_max, random);
  for (const std::size_t last_kept : chosen) {
    const std::size_t kept = last_kept + 1;
    list.add({std::vector<Fate>(kept, Fate::kKept), 0});
    if (!std::holds_alternative<WriteChange>(before.unsynced()[last_kept])) continue;
    for (const Fate last : {Fate::kTorn, Fate::kTorn, Fate::kLengthOnly, Fate::kHalf}) {
      CrashChoice torn{std::vector<Fate>(kept, Fate::kKept), last == Fate::kTorn ? random() : 0};
      torn.fates.back() = last;
      list.add(std::move(torn));
    }
  }
  for (const std::size_t one : chosen) {
    CrashChoice all_but_one{std::vector<Fate>(count, Fate::kKept), 0};
    all_but_one.fates[one] = Fate::kLost;
    list.add(std::move(all_but_one));
    CrashChoice alone{std::vector<Fate>(count, Fate::kLost), 0};
    alone.fates[one] = Fate::kKept;
    list.add(std::move(alone));
  }
  const bool is_exhaustive = count <= options.exhaustive_max;
  const std::size_t subsets = is_exhaustive ? std::size_t{1} << count : options.subset_count;
  for (std::size_t subset = 0; subset < subsets; ++subset) {
    CrashChoice choice{std::vector<Fate>(count, Fate::kLost), 0};
    const std::uint64_t bits = is_exhaustive ? subset : random();
    for (std::size_t i = 0; i < count; ++i) {
      if ((bits >> (i % 64) & 1) != 0) choice.fates[i] = Fate::kKept;
    }
    list.add(std::move(choice));
  }
  constexpr std::array kLots = {Fate::kLost, Fate::kLost, Fate::kKept,      Fate::kKept,
                                Fate::kKept, Fate::kTorn, Fate::kLengthOnly};
  for (std::size_t i = 0; i < options.torn_count && count > 0; ++i) {
    CrashChoice choice{std::vector<Fate>(count, Fate::kLost), random()};
    for (Fate& fate : choice.fates) fate = kLots[random() % kLots.size()];
    list.add(std::move(choice));
  }
  return list.take();
}

}  // namespace oncelog::sim
