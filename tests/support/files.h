// files.h: whole files and directories, read and written around the library.
#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "oncelog/types.h"
#include "support/batches.h"

namespace oncelog::test {

inline std::string read_text(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw std::runtime_error("cannot read " + path);
  return {std::istreambuf_iterator<char>(stream), {}};
}

inline Buffer read_file(const std::string& path) {
  const std::string text = read_text(path);
  const Bytes bytes = as_bytes(text);
  return {bytes.begin(), bytes.end()};
}

inline void write_text(const std::string& path, std::string_view text) {
  std::ofstream stream(path, std::ios::binary | std::ios::trunc);
  stream.write(text.data(), std::ssize(text));
  if (!stream.flush()) throw std::runtime_error("cannot write " + path);
}

inline void write_file(const std::string& path, Bytes bytes) { write_text(path, as_text(bytes)); }

inline void append_to_file(const std::string& path, Bytes bytes) {
  write_text(path, read_text(path).append(as_text(bytes)));
}

/// Turns the bits of one byte round.
inline void flip_byte(const std::string& path, std::size_t position) {
  std::string text = read_text(path);
  text.at(position) = static_cast<char>(~text.at(position));
  write_text(path, text);
}

/// Every file below a directory, by its path from there.
inline std::map<std::string, std::string> directory_content(const std::string& directory) {
  std::map<std::string, std::string> content;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (!entry.is_regular_file()) continue;
    content[entry.path().lexically_relative(directory).string()] = read_text(entry.path().string());
  }
  return content;
}

/// The same with when each file was last written; directories as well.
inline std::map<std::string, std::pair<std::filesystem::file_time_type, std::string>>
directory_state(const std::string& directory) {
  std::map<std::string, std::pair<std::filesystem::file_time_type, std::string>> state;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    auto& [time, content] = state[entry.path().lexically_relative(directory).string()];
    time = entry.last_write_time();
    if (entry.is_regular_file()) content = read_text(entry.path().string());
  }
  return state;
}

inline std::vector<std::string> file_names(const std::string& directory) {
  std::vector<std::string> names;
  for (const auto& [name, content] : directory_content(directory)) names.push_back(name);
  return names;
}

}  // namespace oncelog::test
