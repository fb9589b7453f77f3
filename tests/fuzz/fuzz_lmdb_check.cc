// fuzz_lmdb_check.cc: an LMDB file that something has changed. The rule: where the check of all
// pages says that LMDB may open a file, LMDB reads every row, by cursor and by key, puts, deletes
// and commits without a crash; and the check of the meta pages does not refuse what the other
// takes. The rows of any file can be visited: the visit ends, reads no page twice, and tells of
// damage where the check does.
//
// The input: changes to one of the files below, each a position (two bytes), a count and as many
// bytes to put there, a count of 0 cuts the file there; behind them a byte that chooses the file.
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/bytes.h"
#include "fuzz/memory_vfs.h"
#include "fuzz/target.h"
#include "snapshot/lmdb_check.h"
#include "snapshot/lmdb_environment.h"
#include "support/files.h"
#include "support/temp_dir.h"

namespace oncelog::fuzz {

namespace {

using snapshot::LmdbCheckDepth;
using snapshot::LmdbEnvironment;
using snapshot::LmdbTransaction;
using snapshot::LmdbVerdict;

constexpr std::int64_t kMapBytes = 1 << 20;

/// In memory, and gone with the program.
const std::string& file_path() {
  static const test::TempDir directory(test::memory_directory());
  static const std::string path = directory.file("state");
  return path;
}

/// Leaves neither the file nor the table of its readers.
void remove_file() {
  (void)std::remove(file_path().c_str());
  (void)std::remove((file_path() + "-lock").c_str());
}

struct Rows {
  int count = 0;
  std::size_t value_bytes = 0;
  int erased_count = 0;  ///< in a second commit, so that there are free pages
};

Buffer row_key(int number) {
  Buffer key(12);
  base::store_be(std::span(key), 0, number * 7);
  base::store_be(std::span(key), 4, std::int64_t{number});
  return key;
}

/// A file as LMDB leaves it.
Buffer make_file(const Rows& rows) {
  remove_file();
  const auto environment = LmdbEnvironment::open(file_path(), kMapBytes);
  ONCELOG_ASSERT(environment.has_value());
  const Buffer value(rows.value_bytes, std::byte{'v'});
  ONCELOG_ASSERT((*environment)->write([&](LmdbTransaction& writer) -> Result<void> {
    for (int i = 0; i < rows.count; ++i) ONCELOG_TRY(writer.put(row_key(i), value));
    return {};
  }));
  ONCELOG_ASSERT((*environment)->write([&](LmdbTransaction& writer) -> Result<void> {
    for (int i = 0; i < rows.erased_count; ++i) ONCELOG_TRY(writer.erase(row_key(2 * i)));
    return writer.put(row_key(rows.count), value);
  }));
  return test::read_file(file_path());
}

const Buffer& file_of(std::uint8_t choice) {
  static const std::array kFiles = {
      make_file({.count = 3, .value_bytes = 40}),
      make_file({.count = 150, .value_bytes = 60, .erased_count = 70}),  // branches, free pages
      make_file(
          {.count = 4, .value_bytes = 5000, .erased_count = 1}),  // values on pages of their own
      make_file({.count = 60, .value_bytes = 500, .erased_count = 30}),
  };
  return kFiles[choice % kFiles.size()];
}

Buffer apply_changes(Buffer file, Bytes changes) {
  constexpr std::size_t kHeaderBytes = 3;
  while (changes.size() >= kHeaderBytes) {
    const std::size_t position = base::load_be<std::uint16_t>(changes, 0);
    const auto count =
        std::min(std::to_integer<std::size_t>(changes[2]), changes.size() - kHeaderBytes);
    const Bytes bytes = changes.subspan(kHeaderBytes, count);
    changes = changes.subspan(kHeaderBytes + count);
    if (count == 0) file.resize(std::min(file.size(), position));
    for (std::size_t i = 0; i < count && position + i < file.size(); ++i) {
      file[position + i] = bytes[i];
    }
  }
  return file;
}

LmdbVerdict verdict_of(const Buffer& content, LmdbCheckDepth depth) {
  MemoryVfs vfs;
  vfs.put("d/f", content);
  const auto file = vfs.open("d/f", OpenMode::kRead);
  const auto check = snapshot::check_lmdb_file(**file, depth);
  ONCELOG_ASSERT(check.has_value());
  ONCELOG_ASSERT((check->verdict == LmdbVerdict::kSound) == check->reason.empty());
  ONCELOG_ASSERT(check->pages_read <= 2 + std::ssize(content) / 4096, check->pages_read);
  return check->verdict;
}

void visit_rows(const Buffer& content, LmdbVerdict verdict) {
  MemoryVfs vfs;
  vfs.put("d/f", content);
  const auto file = vfs.open("d/f", OpenMode::kRead);
  std::size_t row_bytes = 0;
  const auto visited = snapshot::visit_lmdb_rows(
      **file, {.row =
                   [&](const snapshot::LmdbRow& row) {
                     row_bytes += row.key.size() + row.value.size();
                     return true;
                   },
               .damage = [](const snapshot::LmdbCheck&) { return true; }});
  ONCELOG_ASSERT(visited.has_value());
  ONCELOG_ASSERT(row_bytes <= content.size(), row_bytes, content.size());
  ONCELOG_ASSERT(visited->pages_read <= 2 + std::ssize(content) / 4096, visited->pages_read);
  ONCELOG_ASSERT(verdict == LmdbVerdict::kSound || visited->verdict != LmdbVerdict::kSound);
}

/// Every byte of every row is looked at.
Result<void> read_rows(LmdbTransaction& reader, std::vector<Buffer>& keys) {
  ONCELOG_TRY_ASSIGN(auto cursor, reader.cursor());
  std::uint64_t sum = 0;
  ONCELOG_TRY(cursor.seek(Buffer(1)));
  while (cursor.has_row()) {
    for (const std::byte byte : cursor.value()) sum += std::to_integer<unsigned>(byte);
    keys.emplace_back(cursor.key().begin(), cursor.key().end());
    ONCELOG_TRY(cursor.next());
  }
  for (const Buffer& key : keys) ONCELOG_TRY(reader.get(key));
  [[maybe_unused]] static volatile std::uint64_t seen;
  seen = sum;
  return {};
}

void use(const Buffer& content) {
  remove_file();
  test::write_file(file_path(), content);
  const auto environment = LmdbEnvironment::open(file_path(), kMapBytes);
  if (!environment) return;
  std::vector<Buffer> keys;
  (void)(*environment)->read([&](LmdbTransaction& reader) { return read_rows(reader, keys); });
  (void)(*environment)->write([&](LmdbTransaction& writer) -> Result<void> {
    for (std::size_t i = 0; i < keys.size(); i += 2) ONCELOG_TRY(writer.erase(keys[i]));
    for (int i = 0; i < 20; ++i) ONCELOG_TRY(writer.put(row_key(1000 + i), Buffer(90)));
    return {};
  });
  (void)(*environment)->write([&](LmdbTransaction& writer) -> Result<void> {
    return writer.put(row_key(-1), Buffer(9000));
  });
}

}  // namespace

}  // namespace oncelog::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace oncelog;
  using namespace oncelog::fuzz;
  Input input(data, size);
  const Buffer& file = file_of(input.choice());
  const Buffer changed = apply_changes(file, input.bytes());
  const LmdbVerdict verdict = verdict_of(changed, LmdbCheckDepth::kAllPages);
  visit_rows(changed, verdict);
  if (verdict != LmdbVerdict::kSound) return 0;
  ONCELOG_ASSERT(verdict_of(changed, LmdbCheckDepth::kMetas) == LmdbVerdict::kSound);
  if (!changed.empty()) use(changed);
  return 0;
}
