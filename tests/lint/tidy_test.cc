// tidy_test.cc: the house rules that a machine can check: who may include whom, lengths, words, and
// that every module with a rule has a test. Each rule is a function from text to findings, so each
// is itself tested, on a snippet that breaks it, before it is run on the tree.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace fs = std::filesystem;

struct SourceFile {
  std::string path{};  // from the root of the tree, with slashes
  std::string text{};
};

using Findings = std::vector<std::string>;
using Names = std::set<std::string, std::less<>>;

// --- the table: an arrow that is not here is not allowed. All may include include/oncelog. ---

const std::map<std::string, Names, std::less<>> kMayInclude = {
    {"base", {}},
    {"io", {"base"}},
    {"record", {"base"}},
    {"producer", {"base", "record"}},
    {"segment", {"base", "io", "record"}},
    {"snapshot", {"base", "io", "producer"}},
    {"compaction", {"base", "record", "segment"}},
    {"log", {"base", "compaction", "io", "producer", "record", "segment", "snapshot"}},
    {"sim", {"base", "snapshot"}},
    {"store", {"base", "io", "log", "segment", "snapshot"}},
    {"live", {"base", "io", "log", "record", "segment"}},
    {"coordinator", {"base", "record", "store"}},
    {"inspect",
     {"base", "compaction", "io", "log", "producer", "record", "segment", "snapshot", "store"}},
    {"capi", {}},
};

// Headers that are not the standard library's: where each may stand, as a prefix of the including
// file's path. The first pattern that matches counts; a header that matches none may stand nowhere
// until it gets a line here.
struct ForeignHeader {
  std::string_view pattern{};
  std::vector<std::string_view> allowed{};
};

const std::array<ForeignHeader, 8> kForeignHeaders = {{
    {R"(lmdb\.h)", {"lib/snapshot/"}},
    {R"((xxhash|xxh_x86dispatch)\.h)", {"lib/base/hash."}},
    {R"(boost/interprocess/.*)", {"lib/io/", "lib/live/"}},
    {R"((unistd|fcntl|dirent|poll|pthread|sched|signal|spawn)\.h|(sys|linux)/.*)",
     {"lib/io/", "lib/live/", "tools/oncelog/"}},
    {R"(isa-l\.h|isa-l/.*|[a-z]*intrin\.h|arm_acle\.h)", {"lib/base/", "lib/record/"}},
    {R"((zlib|snappy|snappy-c|snappy-sinksource|lz4|lz4hc|lz4frame|zstd|zstd_errors)\.h)",
     {"lib/record/"}},
    {R"((CLI|fmt)/.*)", {"tools/oncelog/", "tools/broker/"}},
    {R"(nlohmann/.*)", {"tools/oncelog/", "tools/broker/"}},
}};

// Modules with a header that need no test of their own, each with the reason.
const std::map<std::string, std::string, std::less<>> kNoTestOfItsOwn = {
    {"lib/inspect/aside_folder.cc", "where a repair puts things: repair_test"},
    {"lib/inspect/batch_replay.cc", "what it replays is shown by partition_reader_test"},
    {"lib/inspect/epoch_check.cc", "one rule a test in verify_partition_test, epoch_list_test"},
    {"lib/inspect/index_checks.cc", "one rule a test in verify_partition_test"},
    {"lib/inspect/reader_log.cc",
     "half of PartitionReader: partition_reader_test, reader_lookup_test"},
    {"lib/inspect/reader_segment.cc", "half of PartitionReader: reader_fetch_test"},
    {"lib/inspect/repair_survey.cc", "what a repair plans: repair_test"},
    {"lib/inspect/scan_ahead.cc", "what one thread gives, by several: file_scan_test"},
    {"lib/inspect/seal_check.cc", "what verify says of a seal: log/seals_test"},
    {"lib/inspect/segment_list.cc", "names and order: scan_batches_test"},
    {"lib/inspect/segment_scan.cc", "damage and resumption: scan_batches_test"},
    {"lib/inspect/txn_index_check.cc", "one rule a test in verify_partition_test"},
    {"lib/log/backup_partition.cc", "what a backup holds and shares: store/backup_test"},
    {"lib/log/due_work.cc", "one kind of work a test in store/maintenance_plan_test"},
    {"lib/log/maintenance.cc", "what is due when: seals_test, producer_checkpoint_test"},
    {"lib/log/retention_plan.cc", "which segments go: retention_test"},
    {"lib/segment/segment_seal.cc", "half of Segment: log/seals_test"},
    {"lib/snapshot/lmdb_collect.cc", "what is left after each verb: lmdb_snapshot_store_test"},
    {"lib/snapshot/lmdb_saving.cc", "the contract of checkpoints: lmdb_snapshot_store_test"},
    {"lib/snapshot/lmdb_partition.cc", "the contract of checkpoints: lmdb_snapshot_store_test"},
    {"lib/snapshot/lmdb_rows.cc", "look-ups that the contract shows: lmdb_snapshot_store_test"},
    {"lib/sim/sim_file.cc", "the open files of a SimDisk: sim_disk_test"},
    {"lib/io/os_error.cc", "errno to ErrorCode: posix_file_test, posix_vfs_test"},
};

constexpr std::size_t kFileLinesMax = 500;
constexpr std::size_t kLineColumnsMax = 100;

// --- reading ---

std::vector<std::string> split_lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

// "lib/segment/seal.h" -> "segment"; "" for what is not in a layer.
std::string layer_of(std::string_view path) {
  constexpr std::string_view kLib = "lib/";
  if (!path.starts_with(kLib)) return "";
  path.remove_prefix(kLib.size());
  const std::size_t slash = path.find('/');
  return slash == std::string_view::npos ? "" : std::string(path.substr(0, slash));
}

struct Include {
  std::size_t line = 0;
  bool quoted = false;
  std::string name{};
};

std::vector<Include> find_includes(const std::string& text) {
  static const std::regex kInclude(R"rx(^\s*#\s*include\s*(<([^>]+)>|"([^"]+)").*)rx");
  std::vector<Include> found;
  const std::vector<std::string> lines = split_lines(text);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    std::smatch match;
    if (!std::regex_match(lines[i], match, kInclude)) continue;
    const bool quoted = match[3].matched;
    found.push_back({i + 1, quoted, match[quoted ? 3 : 2].str()});
  }
  return found;
}

// Where the comment or literal that starts at `begin` ends; `begin` itself if none starts there.
std::size_t skip_comment_or_literal(const std::string& text, std::size_t begin) {
  const auto end_after = [&](std::string_view mark, std::size_t from) {
    const std::size_t at = text.find(mark, from);
    return at == std::string::npos ? text.size() : at + mark.size();
  };
  if (text.compare(begin, 2, "//") == 0) return std::min(text.find('\n', begin), text.size());
  if (text.compare(begin, 2, "/*") == 0) return end_after("*/", begin + 2);
  if (text.compare(begin, 2, "R\"") == 0) {
    const std::size_t open = text.find('(', begin);
    if (open == std::string::npos) return text.size();
    return end_after(")" + text.substr(begin + 2, open - begin - 2) + "\"", open);
  }
  const char quote = text[begin];
  const bool digit_before = begin > 0 && std::isxdigit(static_cast<unsigned char>(text[begin - 1]));
  if (quote != '"' && (quote != '\'' || digit_before)) return begin;  // 1'000 is no literal
  for (std::size_t i = begin + 1; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == quote || text[i] == '\n') {
      return i + 1;
    }
  }
  return text.size();
}

// The text with comments, literals and #include lines blanked; every line keeps its number.
std::string code_only(const std::string& text) {
  std::string code = text;
  for (std::size_t i = 0; i < text.size();) {
    const bool directive = text.compare(i, 8, "#include") == 0;
    const std::size_t end =
        directive ? std::min(text.find('\n', i), text.size()) : skip_comment_or_literal(text, i);
    for (std::size_t k = i; k < end; ++k) {
      if (code[k] != '\n') code[k] = ' ';
    }
    i = std::max(end, i + 1);
  }
  return code;
}

// "CamelCase_and_snake" -> camel case and snake
std::vector<std::string> words_of(std::string_view identifier) {
  std::vector<std::string> words(1);
  char before = '_';
  for (const char c : identifier) {
    const auto byte = static_cast<unsigned char>(c);
    const bool camel_edge = std::isupper(byte) && std::islower(static_cast<unsigned char>(before));
    if ((c == '_' || camel_edge) && !words.back().empty()) words.emplace_back();
    if (c != '_') words.back() += static_cast<char>(std::tolower(byte));
    before = c;
  }
  return words;
}

std::string place(const SourceFile& file, std::size_t line) {
  return file.path + ":" + std::to_string(line) + ": ";
}

// --- the rules ---

bool is_standard(std::string_view header) { return header.find('.') == std::string_view::npos; }

Findings check_foreign_include(const SourceFile& file, const Include& include) {
  if (is_standard(include.name)) return {};
  const std::string what = place(file, include.line) + "<" + include.name + "> ";
  for (const ForeignHeader& header : kForeignHeaders) {
    if (!std::regex_match(include.name, std::regex(std::string(header.pattern)))) continue;
    std::string allowed;
    for (const std::string_view prefix : header.allowed) {
      if (file.path.starts_with(prefix)) return {};
      allowed += allowed.empty() ? "" : ", ";
      allowed += prefix;
    }
    return {what + "may stand only in " + allowed};
  }
  return {what + "is not in the table of tidy_test.cc: say there where it may stand"};
}

// `known` are the paths of all files of the tree: a header in quotes must be one of them.
Findings check_includes(const SourceFile& file, const Names& known) {
  Findings findings;
  const std::string layer = layer_of(file.path);
  if (file.path.starts_with("lib/") && !kMayInclude.contains(layer)) {
    findings.push_back(file.path + ": lib/" + layer + " is not a layer of tidy_test.cc's table");
  }
  for (const Include& include : find_includes(file.text)) {
    const std::string what = place(file, include.line) + "\"" + include.name + "\" ";
    if (include.name.starts_with("oncelog/") && known.contains("include/" + include.name)) continue;
    if (!include.quoted) {
      std::ranges::copy(check_foreign_include(file, include), std::back_inserter(findings));
      continue;
    }
    if (file.path.starts_with("tools/")) {
      const std::string beside =
          (fs::path(file.path).parent_path() / include.name).generic_string();
      if (!known.contains(beside)) {
        findings.push_back(what + "is neither <oncelog/...> nor a header beside this file");
      }
      continue;
    }
    const std::string target = layer_of("lib/" + include.name);
    if (layer.empty()) {
      findings.push_back(what + "is not in include/oncelog, all that include/ may name");
    } else if (!known.contains("lib/" + include.name)) {
      findings.push_back(what + "is no file of lib/ (write it as \"layer/file.h\")");
    } else if (target != layer && kMayInclude.contains(layer) &&
               !kMayInclude.at(layer).contains(target)) {
      findings.push_back(what + "points the wrong way: " + layer + " may not include " + target);
    }
  }
  return findings;
}

using Graph = std::map<std::string, Names, std::less<>>;

Graph graph_of(const std::vector<SourceFile>& files) {
  Graph arrows;
  for (const SourceFile& file : files) {
    const std::string from = layer_of(file.path);
    if (from.empty()) continue;
    arrows[from];
    for (const Include& include : find_includes(file.text)) {
      const std::string to = layer_of("lib/" + include.name);
      if (include.quoted && to != from && kMayInclude.contains(to)) arrows[from].insert(to);
    }
  }
  return arrows;
}

// A cycle as "a -> b -> a", or "" if there is none.
std::string find_cycle(const Graph& arrows) {
  std::vector<std::string> path;
  Names done;
  const auto walk = [&](const auto& self, const std::string& node) -> std::string {
    if (const auto seen = std::ranges::find(path, node); seen != path.end()) {
      std::string text;
      for (auto step = seen; step != path.end(); ++step) text += *step + " -> ";
      return text + node;
    }
    if (done.contains(node)) return "";
    path.push_back(node);
    if (const auto found = arrows.find(node); found != arrows.end()) {
      for (const std::string& next : found->second) {
        if (std::string cycle = self(self, next); !cycle.empty()) return cycle;
      }
    }
    path.pop_back();
    done.insert(node);
    return "";
  };
  for (const auto& [node, targets] : arrows) {
    if (std::string cycle = walk(walk, node); !cycle.empty()) return cycle;
  }
  return "";
}

Findings check_lengths(const SourceFile& file) {
  Findings findings;
  const std::vector<std::string> lines = split_lines(file.text);
  if (lines.size() > kFileLinesMax) {
    findings.push_back(file.path + ": " + std::to_string(lines.size()) + " lines, more than " +
                       std::to_string(kFileLinesMax));
  }
  for (std::size_t i = 0; i < lines.size(); ++i) {
    // Columns are characters: the later bytes of a UTF-8 character do not count.
    const auto columns = static_cast<std::size_t>(std::ranges::count_if(
        lines[i], [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
    if (columns > kLineColumnsMax) {
      findings.push_back(place(file, i + 1) + std::to_string(columns) + " columns, more than " +
                         std::to_string(kLineColumnsMax));
    }
  }
  return findings;
}

// Why the identifier is not allowed, or "". `called`: an opening parenthesis follows.
std::string reason_against(std::string_view identifier, bool called) {
  static const Names kForbidden = {"manage", "manager", "manages", "managing", "util",
                                   "utils",  "utility", "helper",  "helpers"};
  if (identifier == "maybe_unused") return "";  // the attribute
  for (const std::string& word : words_of(identifier)) {
    if (kForbidden.contains(word)) return "the word " + word + " says nothing";
  }
  if (identifier.starts_with("maybe_")) return "say the condition: roll_if_full";
  if (identifier.starts_with("do_")) return "do_ says nothing: use the verb alone";
  if (identifier.ends_with("_impl")) return "_impl says nothing: name what this half does";
  if (called && (identifier.starts_with("handle_") || identifier.starts_with("process_")) &&
      identifier != "process_id") {
    return "handle and process are not verbs of ours: say what is done";
  }
  return "";
}

Findings check_words(const SourceFile& file) {
  static const std::regex kIdentifier(R"(([A-Za-z_][A-Za-z0-9_]*)\s*(\(?))");
  Findings findings;
  const std::string stem = fs::path(file.path).stem().string();
  if (const std::string reason = reason_against(stem, false); !reason.empty()) {
    findings.push_back(file.path + ": the file's name: " + reason);
  }
  const std::vector<std::string> lines = split_lines(code_only(file.text));
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::sregex_iterator end;
    for (std::sregex_iterator it(lines[i].begin(), lines[i].end(), kIdentifier); it != end; ++it) {
      const std::string identifier = (*it)[1].str();
      const std::string reason = reason_against(identifier, (*it)[2].length() > 0);
      if (!reason.empty()) findings.push_back(place(file, i + 1) + identifier + ": " + reason);
    }
  }
  return findings;
}

Findings check_todos(const SourceFile& file) {
  static const std::regex kOpenEnd(R"(\b(FIXME\b|TODO\b(?!\(D?[0-9]+\))))");
  Findings findings;
  const std::vector<std::string> lines = split_lines(file.text);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (std::regex_search(lines[i], kOpenEnd)) {
      findings.push_back(place(file, i + 1) +
                         "a TODO carries a number of DECISIONS.md, TODO(12), or is deleted");
    }
  }
  return findings;
}

Findings check_modules_have_tests(const Names& known,
                                  const std::map<std::string, std::string, std::less<>>& exempt) {
  Findings findings;
  for (const std::string& path : known) {
    const std::string layer = layer_of(path);
    const fs::path name(path);
    const std::string header = fs::path(path).replace_extension(".h").generic_string();
    if (layer.empty() || name.extension() != ".cc" || !known.contains(header)) continue;
    const std::string test = "tests/unit/" + layer + "/" + name.stem().string() + "_test.cc";
    if (!known.contains(test) && !exempt.contains(path)) {
      findings.push_back(path + ": has no " + test + " and no reason in kNoTestOfItsOwn");
    } else if (known.contains(test) && exempt.contains(path)) {
      findings.push_back(path + ": has a test now: take it out of kNoTestOfItsOwn");
    }
  }
  for (const auto& [path, reason] : exempt) {
    if (!known.contains(path)) findings.push_back(path + ": is exempt, but is not there");
    if (reason.empty()) findings.push_back(path + ": is exempt without a reason");
  }
  return findings;
}

// --- the tree ---

struct Tree {
  std::vector<SourceFile> sources{};  // C++ of include, lib and tools
  Names known{};                      // C++ paths of the whole tree
};

const Tree& tree() {
  static const Tree kTree = [] {
    Tree read;
    const fs::path root(ONCELOG_SOURCE_DIR);
    for (const std::string folder : {"include", "lib", "tools", "tests"}) {
      if (!fs::exists(root / folder)) continue;
      for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root / folder)) {
        const fs::path extension = entry.path().extension();
        if (!entry.is_regular_file() || (extension != ".h" && extension != ".cc")) continue;
        const std::string path = entry.path().lexically_relative(root).generic_string();
        read.known.insert(path);
        if (folder == "tests") continue;
        std::ifstream stream(entry.path(), std::ios::binary);
        read.sources.push_back({path, std::string(std::istreambuf_iterator<char>(stream), {})});
      }
    }
    std::ranges::sort(read.sources, {}, &SourceFile::path);
    return read;
  }();
  return kTree;
}

std::string joined(const Findings& findings) {
  std::string text;
  for (const std::string& finding : findings) text += "\n  " + finding;
  return text;
}

template <class Rule>
Findings over_tree(Rule rule) {
  Findings all;
  for (const SourceFile& file : tree().sources) {
    std::ranges::copy(rule(file), std::back_inserter(all));
  }
  return all;
}

TEST(Tidy, ReadsTheTree) {
  EXPECT_FALSE(tree().sources.empty()) << "nothing to check under " << ONCELOG_SOURCE_DIR;
}

TEST(Tidy, IncludesFollowTheLayers) {
  const Findings findings =
      over_tree([](const SourceFile& file) { return check_includes(file, tree().known); });
  EXPECT_TRUE(findings.empty()) << "Who may include whom:" << joined(findings);
}

TEST(Tidy, LayersHaveNoCycle) {
  const Graph arrows = graph_of(tree().sources);
  for (const auto& [from, targets] : arrows) {
    std::cout << from << " ->";
    for (const std::string& to : targets) std::cout << ' ' << to;
    std::cout << '\n';
  }
  EXPECT_EQ(find_cycle(arrows), "") << "the folders of lib/ include each other in a circle";
  EXPECT_EQ(find_cycle(kMayInclude), "") << "the table itself allows a circle";
}

TEST(Tidy, FilesAndLinesAreShort) {
  const Findings findings = over_tree(check_lengths);
  EXPECT_TRUE(findings.empty()) << "Too long:" << joined(findings);
}

TEST(Tidy, IdentifiersSaySomething) {
  const Findings findings = over_tree(check_words);
  EXPECT_TRUE(findings.empty()) << "Words that are not ours:" << joined(findings);
}

TEST(Tidy, TodosCarryADecision) {
  const Findings findings = over_tree(check_todos);
  EXPECT_TRUE(findings.empty()) << "Open ends:" << joined(findings);
}

TEST(Tidy, ModulesWithARuleHaveATest) {
  const Findings findings = check_modules_have_tests(tree().known, kNoTestOfItsOwn);
  EXPECT_TRUE(findings.empty()) << "Untested:" << joined(findings);
}

// --- the rules themselves: each must be able to fail ---

struct IncludeCase {
  std::string path{};
  std::string directive{};
  bool allowed = false;
};

TEST(TidyRules, IncludesAreJudgedByTheTable) {
  const Names known = {"include/oncelog/types.h",   "lib/base/bytes.h",   "lib/log/log_view.h",
                       "lib/record/record_codec.h", "lib/io/posix_vfs.h", "tools/oncelog/args.h"};
  const std::vector<IncludeCase> cases = {
      {"lib/log/a.cc", "\"record/record_codec.h\"", true},
      {"lib/log/a.cc", "\"log/log_view.h\"", true},
      {"lib/record/a.cc", "\"log/log_view.h\"", false},
      {"lib/record/a.cc", "\"io/posix_vfs.h\"", false},
      {"lib/base/a.cc", "\"oncelog/types.h\"", true},
      {"lib/base/a.cc", "\"bytes.h\"", false},
      {"lib/capi/a.cc", "\"base/bytes.h\"", false},
      {"lib/misc/a.cc", "<vector>", false},
      {"lib/log/a.cc", "<lmdb.h>", false},
      {"lib/snapshot/a.cc", "<lmdb.h>", true},
      {"lib/segment/a.cc", "<unistd.h>", false},
      {"lib/segment/a.cc", "<sys/stat.h>", false},
      {"lib/io/a.cc", "<sys/stat.h>", true},
      {"lib/log/a.cc", "<boost/interprocess/mapped_region.hpp>", false},
      {"lib/live/a.cc", "<boost/interprocess/mapped_region.hpp>", true},
      {"lib/io/a.cc", "<boost/asio.hpp>", false},
      {"lib/base/hash.h", "<xxhash.h>", true},
      {"lib/base/crc32c.cc", "<xxhash.h>", false},
      {"lib/record/a.cc", "<zstd.h>", true},
      {"lib/log/a.cc", "<zstd.h>", false},
      {"include/oncelog/a.h", "<vector>", true},
      {"include/oncelog/a.h", "\"oncelog/types.h\"", true},
      {"include/oncelog/a.h", "\"base/bytes.h\"", false},
      {"include/oncelog/a.h", "<lmdb.h>", false},
      {"tools/oncelog/a.cc", "<oncelog/types.h>", true},
      {"tools/oncelog/a.cc", "\"args.h\"", true},
      {"tools/oncelog/a.cc", "<fmt/format.h>", true},
      {"tools/oncelog/a.cc", "\"base/bytes.h\"", false},
      {"tools/oncelog/a.cc", "<unistd.h>", true},
      {"tools/examples/a.cc", "<unistd.h>", false},
      {"tools/examples/a.cc", "<fmt/format.h>", false},
  };
  for (const IncludeCase& c : cases) {
    const Findings findings = check_includes({c.path, "#include " + c.directive + "\n"}, known);
    EXPECT_EQ(findings.empty(), c.allowed) << c.path << " " << c.directive << joined(findings);
  }
}

TEST(TidyRules, ACycleIsFound) {
  EXPECT_EQ(find_cycle({{"a", {"b"}}, {"b", {"c"}}, {"c", {"b"}}}), "b -> c -> b");
  EXPECT_EQ(find_cycle({{"a", {"b", "c"}}, {"b", {"c"}}, {"c", {}}}), "");
  const Graph arrows = graph_of({{"lib/log/a.cc", "#include \"io/b.h\"\n#include \"log/c.h\"\n"},
                                 {"lib/io/b.h", "#include \"log/c.h\"\n"}});
  EXPECT_EQ(find_cycle(arrows), "io -> log -> io");
}

TEST(TidyRules, LongFilesAndLinesAreFound) {
  std::string lines;
  for (std::size_t i = 0; i < kFileLinesMax; ++i) lines += "x\n";
  EXPECT_TRUE(check_lengths({"lib/a.h", lines}).empty());
  EXPECT_EQ(check_lengths({"lib/a.h", lines + "x\n"}).size(), 1U);
  std::string wide(kLineColumnsMax - 1, 'x');
  wide += "\xE2\x88\x92";  // a minus sign: three bytes, one column
  EXPECT_TRUE(check_lengths({"lib/a.h", wide}).empty());
  EXPECT_EQ(check_lengths({"lib/a.h", wide + "x"}).size(), 1U);
}

TEST(TidyRules, ForbiddenWordsAreFound) {
  const auto count = [](const std::string& text) {
    return check_words({"lib/log/a.cc", text}).size();
  };
  EXPECT_EQ(count("class SegmentManager;"), 1U);
  EXPECT_EQ(count("int string_util;"), 1U);
  EXPECT_EQ(count("void append_helper();"), 1U);
  EXPECT_EQ(count("void maybe_roll();"), 1U);
  EXPECT_EQ(count("void do_append();"), 1U);
  EXPECT_EQ(count("void append_impl();"), 1U);
  EXPECT_EQ(count("void handle_batch(int);"), 1U);
  EXPECT_EQ(count("int n = 1'000; void do_append();"), 1U);
  EXPECT_EQ(check_words({"lib/log/log_util.cc", ""}).size(), 1U);

  EXPECT_EQ(count("[[maybe_unused]] int undo_count;"), 0U);
  EXPECT_EQ(count("int native_handle(); int process_id(); struct Impl;"), 0U);
  EXPECT_EQ(count("// do_append, said a helper\n/* maybe_roll */"), 0U);
  EXPECT_EQ(count("auto a = \"do_append\"; auto b = R\"x(append_impl)x\"; char c = '\"';"), 0U);
  EXPECT_EQ(count("#include <boost/util.h>"), 0U);
}

TEST(TidyRules, TodosWithoutANumberAreFound) {
  const auto count = [](const std::string& text) {
    return check_todos({"lib/log/a.cc", text}).size();
  };
  EXPECT_EQ(count("// TODO: later"), 1U);
  EXPECT_EQ(count("// TODO(me) later"), 1U);
  EXPECT_EQ(count("// FIXME"), 1U);
  EXPECT_EQ(count("// TODO(12): later\n// TODO(D7) later\n// TODOS"), 0U);
}

TEST(TidyRules, ModulesWithoutATestAreFound) {
  const Names untested = {"lib/log/a.cc", "lib/log/a.h", "lib/log/no_header.cc"};
  EXPECT_EQ(check_modules_have_tests(untested, {}).size(), 1U);
  EXPECT_EQ(check_modules_have_tests(untested, {{"lib/log/a.cc", "why"}}).size(), 0U);
  EXPECT_EQ(check_modules_have_tests(untested, {{"lib/log/a.cc", ""}}).size(), 1U);
  Names tested = untested;
  tested.insert("tests/unit/log/a_test.cc");
  EXPECT_EQ(check_modules_have_tests(tested, {}).size(), 0U);
  EXPECT_EQ(check_modules_have_tests(tested, {{"lib/log/a.cc", "why"}}).size(), 1U);
  EXPECT_EQ(check_modules_have_tests(tested, {{"lib/gone.cc", "why"}}).size(), 1U);
}

}  // namespace
