#include "snapshot/lmdb_environment.h"

#include <algorithm>
#include <cerrno>

namespace oncelog::snapshot {

namespace {

constexpr mdb_mode_t kFileMode = 0644;
constexpr unsigned kReadersMax = 1024;
constexpr std::int64_t kMapBytesMin = 1 << 20;
constexpr std::int64_t kMapUnitBytes = 1 << 16;  // whole pages of any machine

std::unexpected<Error> failure(int code, std::string_view what) {
  // Its own codes lie below zero and stay in os_errno, where write() looks for a full map.
  const bool is_full = code == ENOSPC || code == EDQUOT || code == MDB_MAP_FULL;
  Error error{is_full ? ErrorCode::STORAGE_FULL : ErrorCode::KAFKA_STORAGE_ERROR, code, {}};
  error.context = "producer state: " + std::string(what);
  if (code < 0) error.context += std::string(": ") + mdb_strerror(code);
  return std::unexpected(std::move(error));
}

Result<void> checked(int code, std::string_view what) {
  if (code == MDB_SUCCESS) return {};
  return failure(code, what);
}

bool is_map_full(const Result<void>& result) {
  return !result && result.error().os_errno == MDB_MAP_FULL;
}

// LMDB does not change what it is given; its interface has one type for both directions.
MDB_val to_val(Bytes bytes) { return {bytes.size(), const_cast<std::byte*>(bytes.data())}; }
Bytes to_bytes(const MDB_val& value) {
  return {static_cast<const std::byte*>(value.mv_data), value.mv_size};
}

}  // namespace

Result<void> LmdbCursor::move(MDB_cursor_op op) {
  const int code = mdb_cursor_get(cursor_.get(), &key_, &value_, op);
  has_row_ = code == MDB_SUCCESS;
  if (code == MDB_NOTFOUND) return {};
  return checked(code, "read a row");
}

Result<void> LmdbCursor::seek(Bytes key) {
  key_ = to_val(key);
  return move(MDB_SET_RANGE);
}

Result<void> LmdbCursor::next() { return move(MDB_NEXT); }

bool LmdbCursor::starts_with(Bytes prefix) const {
  return has_row_ && key().size() >= prefix.size() &&
         std::ranges::equal(key().first(prefix.size()), prefix);
}

Bytes LmdbCursor::key() const { return to_bytes(key_); }
Bytes LmdbCursor::value() const { return to_bytes(value_); }

Result<LmdbCursor> LmdbTransaction::cursor() {
  LmdbCursor cursor;
  MDB_cursor* opened = nullptr;
  ONCELOG_TRY(checked(mdb_cursor_open(transaction_, rows_, &opened), "open a cursor"));
  cursor.cursor_.reset(opened);
  return cursor;
}

Result<std::optional<Bytes>> LmdbTransaction::get(Bytes key) {
  MDB_val wanted = to_val(key);
  MDB_val found{};
  const int code = mdb_get(transaction_, rows_, &wanted, &found);
  if (code == MDB_NOTFOUND) return std::nullopt;
  ONCELOG_TRY(checked(code, "read a row"));
  return to_bytes(found);
}

Result<void> LmdbTransaction::put(Bytes key, Bytes value) {
  MDB_val at = to_val(key);
  MDB_val put = to_val(value);
  return checked(mdb_put(transaction_, rows_, &at, &put, 0), "write a row");
}

Result<void> LmdbTransaction::erase(Bytes key) {
  MDB_val at = to_val(key);
  const int code = mdb_del(transaction_, rows_, &at, nullptr);
  if (code == MDB_NOTFOUND) return {};
  return checked(code, "drop a row");
}

Result<std::unique_ptr<LmdbEnvironment>> LmdbEnvironment::open(const std::string& path,
                                                               std::int64_t map_bytes) {
  std::unique_ptr<LmdbEnvironment> opened(new LmdbEnvironment());
  opened->path_ = path;
  // Where so many addresses are not to be had, fewer do.
  const std::int64_t wanted = std::max(map_bytes, kMapBytesMin) / kMapUnitBytes * kMapUnitBytes;
  for (std::int64_t bytes = wanted;; bytes = bytes / 2 / kMapUnitBytes * kMapUnitBytes) {
    MDB_env* environment = nullptr;
    ONCELOG_TRY(checked(mdb_env_create(&environment), path));
    opened->environment_.reset(environment);
    ONCELOG_TRY(checked(mdb_env_set_mapsize(environment, static_cast<std::size_t>(bytes)), path));
    ONCELOG_TRY(checked(mdb_env_set_maxreaders(environment, kReadersMax), path));
    // NOTLS: a reader belongs to a transaction, not to a thread, and may be used by another one.
    const int code = mdb_env_open(environment, path.c_str(),
                                  MDB_NOSUBDIR | MDB_NOTLS | MDB_NORDAHEAD, kFileMode);
    if (code == MDB_SUCCESS) break;
    if (code != ENOMEM || bytes / 2 < kMapBytesMin) return failure(code, path);
  }
  int stale_readers = 0;
  ONCELOG_TRY(checked(mdb_reader_check(opened->environment_.get(), &stale_readers), path));
  MDB_txn* transaction = nullptr;
  ONCELOG_TRY(
      checked(mdb_txn_begin(opened->environment_.get(), nullptr, MDB_RDONLY, &transaction), path));
  const int code = mdb_dbi_open(transaction, nullptr, 0, &opened->rows_);
  mdb_txn_abort(transaction);
  ONCELOG_TRY(checked(code, path));
  return opened;
}

LmdbEnvironment::~LmdbEnvironment() {
  for (MDB_txn* reader : idle_readers_) mdb_txn_abort(reader);
}

Result<MDB_txn*> LmdbEnvironment::begin_read() {
  MDB_txn* reader = nullptr;
  {
    const std::scoped_lock lock(idle_mutex_);
    if (!idle_readers_.empty()) {
      reader = idle_readers_.back();
      idle_readers_.pop_back();
    }
  }
  if (reader == nullptr) {
    ONCELOG_TRY(checked(mdb_txn_begin(environment_.get(), nullptr, MDB_RDONLY, &reader), path_));
    return reader;
  }
  if (const int code = mdb_txn_renew(reader); code != MDB_SUCCESS) {
    mdb_txn_abort(reader);
    return failure(code, path_);
  }
  return reader;
}

Result<void> LmdbEnvironment::read(const Body& body) {
  std::unique_lock gate(gate_mutex_);
  const std::shared_lock map(map_mutex_);
  gate.unlock();
  ONCELOG_TRY_ASSIGN(MDB_txn* const reader, begin_read());
  LmdbTransaction transaction(reader, rows_);
  auto result = body(transaction);
  mdb_txn_reset(reader);
  const std::scoped_lock lock(idle_mutex_);
  idle_readers_.push_back(reader);
  return result;
}

Result<void> LmdbEnvironment::write_once(const Body& body) {
  const std::shared_lock map(map_mutex_);
  MDB_txn* writer = nullptr;
  ONCELOG_TRY(checked(mdb_txn_begin(environment_.get(), nullptr, 0, &writer), path_));
  LmdbTransaction transaction(writer, rows_);
  if (auto result = body(transaction); !result) {
    mdb_txn_abort(writer);
    return result;
  }
  return checked(mdb_txn_commit(writer), path_);
}

Result<void> LmdbEnvironment::grow() {
  const std::scoped_lock gate(gate_mutex_);
  const std::unique_lock map(map_mutex_);
  MDB_envinfo info{};
  ONCELOG_TRY(checked(mdb_env_info(environment_.get(), &info), path_));
  return checked(mdb_env_set_mapsize(environment_.get(), info.me_mapsize * 2), path_);
}

Result<void> LmdbEnvironment::write(const Body& body, const Body& make_room) {
  const std::scoped_lock lock(write_mutex_);
  auto result = write_once(body);
  if (is_map_full(result) && make_room) {
    // It may lack room itself.
    if (write_once(make_room)) result = write_once(body);
  }
  while (is_map_full(result)) {
    ONCELOG_TRY(grow());
    result = write_once(body);
  }
  return result;
}

std::int64_t LmdbEnvironment::row_count() {
  std::int64_t count = 0;
  const auto counted = read([&](LmdbTransaction& transaction) -> Result<void> {
    MDB_stat stat{};
    ONCELOG_TRY(checked(mdb_stat(transaction.transaction_, rows_, &stat), path_));
    count = static_cast<std::int64_t>(stat.ms_entries);
    return {};
  });
  return counted ? count : 0;
}

}  // namespace oncelog::snapshot
