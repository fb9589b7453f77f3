// fuzz_shell_line.cc: lines for `oncelog shell`, over a store in memory. The rules:
// - every line is answered, by a JSON object that is one line, or by an error in words;
// - whatever was asked, the parts of the open log agree.
//
// The input: the lines.
#include <string>
#include <string_view>

#include "fuzz/memory_vfs.h"
#include "fuzz/target.h"
#include "shell_session.h"

namespace oncelog::fuzz {

namespace {

constexpr int kLinesMax = 24;
constexpr std::int64_t kRecordsMax = 200;

/// More records than an execution has time for: the shell makes as many as it is asked for.
bool asks_for_too_much(const std::string& line) {
  const auto json = cli::Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("n")) return false;
  const auto& count = json.at("n");
  return count.is_number() && !(count.is_number_integer() && count <= kRecordsMax);
}

void ask(cli::ShellSession& session, const std::string& line) {
  const Result<cli::Json> answer = shell_answer(session, line);
  if (answer) {
    ONCELOG_ASSERT(answer->is_object() && answer->at("ok") == true);
    const std::string text = cli::json_line(*answer);
    ONCELOG_ASSERT(text.find('\n') == std::string::npos, text);
    ONCELOG_ASSERT(!cli::Json::parse(text, nullptr, false).is_discarded(), text);
  } else {
    ONCELOG_ASSERT(answer.error().code != ErrorCode::NONE && !answer.error().context.empty());
  }
  ONCELOG_ASSERT((session.store != nullptr) == (session.log != nullptr));
  if (!session.log) return;
  for (const std::string& broken : session.log->check_invariants()) {
    ONCELOG_ASSERT(broken.empty(), broken);
  }
}

}  // namespace

}  // namespace oncelog::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace oncelog;
  using namespace oncelog::fuzz;
  MemoryVfs vfs;
  cli::ShellSession session;
  session.directory = "s";
  session.vfs = &vfs;
  std::string_view rest = as_text(bytes_of(data, size));
  for (int i = 0; i < kLinesMax && !rest.empty(); ++i) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string line(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (!asks_for_too_much(line)) ask(session, line);
  }
  (void)close_session(session);
  return 0;
}
