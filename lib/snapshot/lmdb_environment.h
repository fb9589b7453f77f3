// lmdb_environment.h: LMDB behind values that clean up after themselves. Nothing outside of
// snapshot/ sees a type of LMDB's; no pointer into the map outlives its transaction.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <vector>

#include <lmdb.h>

#include "oncelog/error.h"
#include "oncelog/types.h"

namespace oncelog::snapshot {

/// A place between rows. Keys and values that it shows live until the transaction ends or writes.
class LmdbCursor {
 public:
  /// The first row at or behind `key`; false if there is none.
  Result<void> seek(Bytes key);
  Result<void> next();
  [[nodiscard]] bool has_row() const { return has_row_; }
  [[nodiscard]] bool starts_with(Bytes prefix) const;
  [[nodiscard]] Bytes key() const;
  [[nodiscard]] Bytes value() const;

 private:
  friend class LmdbTransaction;
  struct Close {
    void operator()(MDB_cursor* cursor) const { mdb_cursor_close(cursor); }
  };
  Result<void> move(MDB_cursor_op op);

  std::unique_ptr<MDB_cursor, Close> cursor_;
  MDB_val key_{};
  MDB_val value_{};
  bool has_row_ = false;
};

/// Lives only inside LmdbEnvironment::read and write.
class LmdbTransaction {
 public:
  Result<LmdbCursor> cursor();
  /// The value, or nothing.
  Result<std::optional<Bytes>> get(Bytes key);
  Result<void> put(Bytes key, Bytes value);
  /// A missing row is no error.
  Result<void> erase(Bytes key);

 private:
  friend class LmdbEnvironment;
  LmdbTransaction(MDB_txn* transaction, MDB_dbi rows) : transaction_(transaction), rows_(rows) {}

  MDB_txn* transaction_;
  MDB_dbi rows_;
};

/// One environment file and its reader table, `<path>-lock`. Thread-safe. At most one object for a
/// file in a process.
class LmdbEnvironment {
 public:
  /// `path` is the machine's. The file has been checked (lmdb_check), or is missing. Stale reader
  /// slots are cleared.
  static Result<std::unique_ptr<LmdbEnvironment>> open(const std::string& path,
                                                       std::int64_t map_bytes);
  ~LmdbEnvironment();
  LmdbEnvironment(const LmdbEnvironment&) = delete;
  LmdbEnvironment& operator=(const LmdbEnvironment&) = delete;

  using Body = std::function<Result<void>(LmdbTransaction&)>;
  /// Sees one consistent state. Waits only while the map grows.
  Result<void> read(const Body& body);
  /// All of the body's changes, on stable storage on return, or none. One at a time. Is run again
  /// after `make_room` and then after each doubling of the map, while that is full.
  Result<void> write(const Body& body, const Body& make_room = {});

  [[nodiscard]] std::int64_t row_count();

 private:
  LmdbEnvironment() = default;
  Result<MDB_txn*> begin_read();
  Result<void> write_once(const Body& body);
  Result<void> grow();

  struct Close {
    void operator()(MDB_env* environment) const { mdb_env_close(environment); }
  };
  std::string path_;
  std::unique_ptr<MDB_env, Close> environment_;
  MDB_dbi rows_ = 0;
  std::shared_mutex map_mutex_;  ///< shared by transactions, taken alone to grow the map
  std::mutex gate_mutex_;        ///< before map_mutex_: who waits to grow lets no reader in
  std::mutex write_mutex_;
  std::mutex idle_mutex_;
  std::vector<MDB_txn*> idle_readers_;
};

}  // namespace oncelog::snapshot
