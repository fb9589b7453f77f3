// judge.h: the script `tests/interop/kafka`, run from a test.
#pragma once

#include <sys/wait.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>

#include "support/temp_dir.h"

namespace oncelog::interop {

/// How a run of the judge ended, and what it said.
struct Judgement {
  int exit_status = 0;
  std::string output{};
  std::string errors{};
};

inline constexpr int kSkippedStatus = 77;

/// Whether the environment keeps the JVM out, as the sanitizers' presets do.
inline bool is_jvm_off() {
  const char* const setting = std::getenv("ONCELOG_JVM");
  return setting != nullptr && std::string_view(setting) == "off";
}

inline std::string read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Runs `kafka <command> <directory> <partition>`.
inline Judgement ask_kafka(const std::string& command, const std::string& directory,
                           const std::string& partition) {
  const test::TempDir dir;
  const std::string line = "'" ONCELOG_INTEROP_DIR "/kafka' " + command + " '" + directory + "' " +
                           partition + " >'" + dir.file("out") + "' 2>'" + dir.file("err") + "'";
  const int status = std::system(line.c_str());
  if (status == -1 || !WIFEXITED(status)) throw std::runtime_error("cannot run " + line);
  return {WEXITSTATUS(status), read_text(dir.file("out")), read_text(dir.file("err"))};
}

}  // namespace oncelog::interop
