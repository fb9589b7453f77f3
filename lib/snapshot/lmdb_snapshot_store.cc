#include "snapshot/lmdb_snapshot_store.h"

#include <array>
#include <random>

#include "base/hash.h"
#include "snapshot/lmdb_check.h"
#include "snapshot/lmdb_collect.h"
#include "snapshot/lmdb_partition.h"

namespace oncelog::snapshot {

namespace {

constexpr std::size_t kMetaBytes = 2 * 4096;
constexpr std::string_view kDamagedSuffix = ".damaged";
constexpr std::string_view kForeignSuffix = ".foreign-";
constexpr int kForeignFilesMax = 1000;

std::string state_path(const std::string& directory) {
  return directory + "/" + std::string(kStateFile);
}

/// Why a file cannot be used, and whether it may be somebody else's.
struct Unusable {
  std::string reason{};
  bool is_foreign = false;
};

/// A new life's number: far from those of any other store, and of a `.state` that was lost.
Incarnation random_life() {
  std::random_device random;
  return Incarnation(((std::uint64_t{random()} << 16) ^ random()) << 16);
}

Result<std::optional<Unusable>> check_file(Vfs& vfs, const LmdbStoreOptions& options) {
  ONCELOG_TRY_ASSIGN(const auto file, vfs.open(state_path(options.directory), OpenMode::kRead));
  ONCELOG_TRY_ASSIGN(const std::int64_t bytes, file->size());
  LmdbCheckDepth depth = LmdbCheckDepth::kAllPages;
  if (bytes > options.walk_bytes_max && options.close_record) {
    ONCELOG_TRY_ASSIGN(const std::uint64_t now,
                       LmdbSnapshotStore::close_record(vfs, options.directory));
    if (now == *options.close_record) depth = LmdbCheckDepth::kMetas;
  }
  ONCELOG_TRY_ASSIGN(const LmdbCheck check, check_lmdb_file(*file, depth));
  if (check.verdict == LmdbVerdict::kSound) return std::nullopt;
  return Unusable{"position " + std::to_string(check.position) + ": " + check.reason,
                  check.verdict == LmdbVerdict::kForeign};
}

/// LMDB maps its reader table and writes to it: on a full disk that would be a SIGBUS.
Result<void> set_space_aside(Vfs& vfs, const std::string& directory) {
  constexpr std::int64_t kReaderTableBytes = 128 << 10;
  ONCELOG_TRY_ASSIGN(const auto file,
                     vfs.open(directory + "/" + std::string(kStateLockFile), OpenMode::kCreate));
  return file->preallocate(kReaderTableBytes);
}

/// Nothing of it is lost: the log can say all but what is known of producers without data.
Result<std::string> set_aside(Vfs& vfs, const std::string& directory, const Unusable& why) {
  const std::string path = state_path(directory);
  std::string aside = path + std::string(kDamagedSuffix);
  for (int number = 1; why.is_foreign; ++number) {
    aside = path + std::string(kForeignSuffix) + std::to_string(number);
    ONCELOG_TRY_ASSIGN(const auto status, vfs.status(aside));
    if (!status) break;
    if (number == kForeignFilesMax) {
      return fail(ErrorCode::KAFKA_STORAGE_ERROR, path, ": ", why.reason,
                  "; no name is left to set it aside");
    }
  }
  ONCELOG_TRY(vfs.rename(path, aside));
  ONCELOG_TRY(vfs.remove(directory + "/" + std::string(kStateLockFile)));
  ONCELOG_TRY(vfs.sync_directory(directory));
  return path + ": " + why.reason + "; set aside as " + aside +
         ", producers are rebuilt from the log";
}

}  // namespace

Result<std::uint64_t> LmdbSnapshotStore::close_record(Vfs& vfs, const std::string& directory) {
  ONCELOG_TRY_ASSIGN(const auto status, vfs.status(state_path(directory)));
  if (!status) return 0;
  ONCELOG_TRY_ASSIGN(const auto file, vfs.open(state_path(directory), OpenMode::kRead));
  std::array<std::byte, kMetaBytes> metas{};
  ONCELOG_TRY(file->read_at(metas, 0));
  return base::hash64(metas, static_cast<std::uint64_t>(status->bytes));
}

Result<std::unique_ptr<LmdbSnapshotStore>> LmdbSnapshotStore::open(
    Vfs& vfs, const LmdbStoreOptions& options) {
  const std::string path = state_path(options.directory);
  const auto native_path = vfs.native_path(path);
  if (!native_path) return fail(ErrorCode::INVALID_CONFIG, path, ": not a file of this machine");

  std::vector<std::string> warnings;
  ONCELOG_TRY_ASSIGN(const auto status, vfs.status(path));
  bool is_new = !status;
  if (status) {
    ONCELOG_TRY_ASSIGN(const auto unusable, check_file(vfs, options));
    if (unusable) {
      ONCELOG_TRY_ASSIGN(warnings.emplace_back(), set_aside(vfs, options.directory, *unusable));
      is_new = true;
    }
  }
  const auto open_environment = [&]() -> Result<std::unique_ptr<LmdbSnapshotStore>> {
    ONCELOG_TRY(set_space_aside(vfs, options.directory));
    ONCELOG_TRY_ASSIGN(auto environment, LmdbEnvironment::open(*native_path, options.map_bytes));
    return std::unique_ptr<LmdbSnapshotStore>(new LmdbSnapshotStore(std::move(environment)));
  };
  ONCELOG_TRY_ASSIGN(auto store, open_environment());
  auto identified = store->identify();
  if (identified && !is_new && status->bytes <= options.walk_bytes_max) {
    identified = store->check_rows();
  }
  const bool is_unusable =
      !identified && (identified.error().code == ErrorCode::CORRUPT_MESSAGE ||
                      identified.error().code == ErrorCode::INVALID_REQUEST ||
                      identified.error().code == ErrorCode::UNSUPPORTED_VERSION);
  if (is_unusable) {
    const bool is_foreign = identified.error().code != ErrorCode::CORRUPT_MESSAGE;
    store.reset();
    ONCELOG_TRY_ASSIGN(warnings.emplace_back(),
                       set_aside(vfs, options.directory, {identified.error().context, is_foreign}));
    is_new = true;
    ONCELOG_TRY_ASSIGN(store, open_environment());
    identified = store->identify();
  }
  ONCELOG_TRY(std::move(identified));
  if (is_new) ONCELOG_TRY(vfs.sync_directory(options.directory));
  store->warnings_ = std::move(warnings);
  return store;
}

Result<void> LmdbSnapshotStore::identify() {
  const Row key = store_key();
  bool is_empty = true;
  ONCELOG_TRY(environment_->read([&](LmdbTransaction& transaction) -> Result<void> {
    ONCELOG_TRY_ASSIGN(LmdbCursor cursor, transaction.cursor());
    ONCELOG_TRY(cursor.seek(key_prefix(RowKind{}, Incarnation(0))));
    is_empty = !cursor.has_row();
    if (is_empty) return {};
    ONCELOG_TRY_ASSIGN(const auto value, transaction.get(key));
    if (!value) {
      return fail(ErrorCode::INVALID_REQUEST, "an LMDB environment without a row that is ours");
    }
    return [&]() -> Result<void> {
      ONCELOG_TRY(decode_store(key, *value));
      return {};
    }();
  }));
  if (!is_empty) return {};
  const Row value = encode(key, StoreRow{random_life()});
  return environment_->write(
      [&](LmdbTransaction& transaction) { return transaction.put(key, value); });
}

Result<void> LmdbSnapshotStore::check_rows() {
  return environment_->read([&](LmdbTransaction& transaction) -> Result<void> {
    ONCELOG_TRY_ASSIGN(LmdbCursor cursor, transaction.cursor());
    const Row first{std::byte{0}};
    ONCELOG_TRY(cursor.seek(first));
    while (cursor.has_row()) {
      ONCELOG_TRY(check_row(cursor.key(), cursor.value()));
      ONCELOG_TRY(cursor.next());
    }
    return {};
  });
}

Result<std::unique_ptr<PartitionSnapshots>> LmdbSnapshotStore::open(const TopicPartition& name,
                                                                    const std::string& topic_id) {
  const Row key = partition_key(name);
  std::optional<PartitionRow> bound;
  ONCELOG_TRY(environment_->read([&](LmdbTransaction& transaction) -> Result<void> {
    ONCELOG_TRY_ASSIGN(const auto value, transaction.get(key));
    if (!value) return {};
    ONCELOG_TRY_ASSIGN(bound, decode_partition(key, *value));
    return {};
  }));
  auto opened = std::make_unique<LmdbPartition>(*environment_, name, topic_id,
                                                bound ? bound->life : Incarnation(0));
  // An id that cannot be read says nothing.
  const bool is_other = bound && !topic_id.empty() && bound->topic_id != topic_id;
  if (!bound || is_other) ONCELOG_TRY(opened->forget_all());
  return opened;
}

Result<void> LmdbSnapshotStore::drop(const TopicPartition& name) {
  const Row key = partition_key(name);
  bool is_there = false;
  ONCELOG_TRY(environment_->read([&](LmdbTransaction& transaction) -> Result<void> {
    ONCELOG_TRY_ASSIGN(const auto value, transaction.get(key));
    is_there = value.has_value();
    return {};
  }));
  if (!is_there) return {};
  ONCELOG_TRY(
      environment_->write([&](LmdbTransaction& transaction) { return transaction.erase(key); }));
  return collect_unused_lives(*environment_);
}

}  // namespace oncelog::snapshot
