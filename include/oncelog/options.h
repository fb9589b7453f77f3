// options.h: every limit and every default, with its unit in its name.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "oncelog/error.h"
#include "oncelog/record.h"
#include "oncelog/types.h"

namespace oncelog {

inline constexpr std::int64_t kUnlimited = std::numeric_limits<std::int64_t>::max();

/// The topic's configuration: Kafka's names with `_` for `.`, Kafka's defaults (semantics, Annex
/// A).
struct TopicConfig {
  std::int32_t segment_bytes = 1 << 30;   ///< size at which a segment rolls; at least 14
  std::int64_t segment_ms = 604'800'000;  ///< record time after which a segment rolls
  std::int64_t segment_jitter_ms = 0;     ///< at most this much is taken off segment_ms, by chance
  std::int32_t segment_index_bytes = 10 << 20;  ///< size limit of each index; at least 12
  std::int32_t index_interval_bytes = 4096;     ///< log bytes between two index entries
  bool preallocate = false;                     ///< create segments at segment_bytes, zero-filled
  std::int32_t max_message_bytes = 1'048'588;   ///< of one batch, as stored
  std::optional<Codec> compression_type{};      ///< none: the producer's codec is kept
  int compression_gzip_level = -1;              ///< when the log recompresses
  int compression_lz4_level = 9;
  int compression_zstd_level = 3;
  TimestampType message_timestamp_type = TimestampType::kCreateTime;
  std::int64_t message_timestamp_before_max_ms = kUnlimited;
  std::int64_t message_timestamp_after_max_ms = kUnlimited;
  bool cleanup_compact = false;
  bool cleanup_delete = true;
  std::int64_t retention_ms = 604'800'000;  ///< −1: unlimited
  std::int64_t retention_bytes = -1;        ///< −1: unlimited
  std::int64_t delete_retention_ms = 86'400'000;
  std::int64_t min_compaction_lag_ms = 0;
  std::int64_t max_compaction_lag_ms = kUnlimited;
  double min_cleanable_dirty_ratio = 0.5;
  std::int64_t flush_messages =
      kUnlimited;  ///< offsets behind the recovery point that start a flush
  std::int64_t flush_ms = kUnlimited;
  std::int64_t producer_id_expiration_ms = 86'400'000;

  /// Sets the entry with Kafka's name, e.g. "segment.bytes". INVALID_CONFIG for an unknown name, a
  /// value that does not parse or one out of its range; the config is then as before.
  Result<void> set(std::string_view kafka_name, std::string_view value);
  /// The value of the entry with Kafka's name, as set() takes it. INVALID_CONFIG for a name that
  /// no field has: those that set() checks and forgets, too.
  [[nodiscard]] Result<std::string> get(std::string_view kafka_name) const;
  /// Kafka's names of all fields.
  [[nodiscard]] static std::span<const std::string_view> names();
  /// Whether set() takes this name.
  [[nodiscard]] static bool knows(std::string_view kafka_name);
  /// INVALID_CONFIG if values contradict each other or a field is out of its range.
  [[nodiscard]] Result<void> check() const;
  friend bool operator==(const TopicConfig&, const TopicConfig&) = default;
};

/// A topic's defaults out of a broker's configuration, by the broker's names: log.segment.bytes,
/// log.roll.ms or .hours, log.retention.ms, .minutes or .hours (the finer one counts), and so on
/// (semantics, Annex A). INVALID_CONFIG, with the name, for one that no topic takes its default
/// from, a value that set() would refuse, or values that contradict each other.
Result<TopicConfig> read_broker_config(const std::map<std::string, std::string>& broker_config);

/// Who moves the high watermark (design: ends).
enum class HighWatermarkPolicy : std::uint8_t {
  kByLevel,  ///< kDurable for partitions of level durable, kLogEnd for level written
  kDurable,  ///< follows the durable end
  kLogEnd,   ///< follows the log end
  kManual,   ///< moves by set_high_watermark only, as a replicating broker wants it
};

struct PartitionOptions {
  TopicConfig config{};
  std::optional<Level> level{};  ///< of appends that do not ask for one; the store's if none
  HighWatermarkPolicy high_watermark = HighWatermarkPolicy::kByLevel;
  LeaderEpoch leader_epoch{
      0};  ///< written into appended batches; the latest stored epoch if that is larger
  bool create_if_missing = true;

  /// INVALID_CONFIG, e.g. for policy durable over level written without flush.messages or flush.ms.
  [[nodiscard]] Result<void> check() const;
};

class Vfs;
class Clock;
namespace snapshot {
class SnapshotStore;
}

/// Where the producer state of a store is kept between two opens.
enum class ProducerStateStore : std::uint8_t {
  kLmdb,  ///< checkpoints in `.state`: an open replays only what lies behind the newest
  kNone,  ///< nowhere: an open replays the log, and forgets producers whose data is gone
};

/// Who does the work that appends make due (checkpoints, seals, the flush behind a roll), and that
/// of a plan.
enum class MaintenanceBy : std::uint8_t {
  kCaller,  ///< the append that made it due; what a plan lists only Store::run does
  kThread,  ///< one thread of the store, which goes through the plan as well
};

struct MaintenanceJob;
struct MaintenanceReport;

struct StoreOptions {
  bool create_if_missing = true;
  Level level = Level::kDurable;  ///< of partitions that do not say
  /// Refuse to open rather than cut, if whole batches lie behind the damage that ends recovery.
  bool refuse_any_damage = false;
  /// A clean close writes what Kafka needs to go on: `.kafka_cleanshutdown` and `<end>.snapshot`
  /// files.
  bool kafka_handover = true;
  /// The recovery point is made persistent at the latest after so many bytes of synced appends.
  std::int64_t recovery_point_interval_bytes = 64 << 20;
  DecompressionLimits decompression{};
  /// kLmdb needs files of this machine (Vfs::native_path); elsewhere it is as kNone.
  ProducerStateStore producer_state = ProducerStateStore::kLmdb;
  /// Memory of a partition for producers that its newest checkpoint holds. Changed ones come on
  /// top: at half of this a checkpoint is due, at twice this appends of new producers wait for it.
  std::int64_t producer_cache_bytes = 64 << 20;
  /// A checkpoint of the producer state is due after a roll, and after so many bytes or records.
  std::int64_t checkpoint_interval_bytes = 64 << 20;
  std::int64_t checkpoint_interval_records = 1'000'000;
  /// Addresses set aside for `.state`; it doubles when they are used up.
  std::int64_t state_map_bytes = std::int64_t{64} << 30;
  /// Up to this size every page of `.state` is checked by each open; above it after an unclean end
  /// only.
  std::int64_t state_walk_bytes_max = 64 << 20;
  /// Finished segments of at least this size get a seal, so that an open need not read them; for a
  /// smaller one that would cost more than it saves.
  std::int64_t sealed_segment_bytes_min = 128 << 10;
  /// Appends of level `written` go to a mapped file of so many bytes (at most 64 MiB) per partition
  /// first, without a system call each, and from there into the `.log`; 0: each is a write.
  std::int64_t append_ring_bytes = 256 << 10;
  /// All of them together: a busy partition that finds no more room takes it from one that has
  /// appended nothing for a while, or goes without.
  std::int64_t append_ring_bytes_total = 64 << 20;
  std::int64_t append_ring_idle_ms = 10'000;  ///< such a while
  /// Files of segments that may be open at once; where more are, those that were used least
  /// recently are closed, once all that they hold is on stable storage, and opened again when they
  /// are needed. 0: half of what the process may open (RLIMIT_NOFILE), when the store is opened.
  std::int64_t open_files_max = 0;
  /// What a partition has where it says nothing else.
  TopicConfig topic_defaults{};
  MaintenanceBy maintenance = MaintenanceBy::kCaller;
  /// The store's thread makes a plan of all partitions at its begin and each time so much has
  /// passed; what appends make due wakes it. At least 1.
  std::int64_t maintenance_interval_ms = 5'000;
  /// It looks for producers that have expired each time so much has passed (Kafka's
  /// producer.id.expiration.check.interval.ms). A plan of the caller always does.
  std::int64_t producer_expiry_interval_ms = 600'000;
  /// A scrub of a partition is due so long after its open, or the scrub before: no file remembers
  /// when that was.
  std::int64_t scrub_interval_ms = kUnlimited;
  /// Of compactions that a plan asks for: log.cleaner.io.max.bytes.per.second and
  /// log.cleaner.dedupe.buffer.size.
  std::int64_t compaction_bytes_per_second_max = kUnlimited;
  std::int64_t compaction_key_map_bytes_max = 128 << 20;
  /// Told by the store's thread of each job that it has tried. May use the store, but must not
  /// close or destroy it. Must not throw.
  std::function<void(const MaintenanceJob&, const Result<MaintenanceReport>&)> on_maintenance{};
  Vfs* vfs = nullptr;      ///< not owned; the machine's file systems if null
  Clock* clock = nullptr;  ///< not owned; the system's clock if null
  /// For simulations (oncelog::sim): takes the place of `.state`, where producer_state is kLmdb.
  snapshot::SnapshotStore* snapshots = nullptr;  ///< not owned
};

}  // namespace oncelog
