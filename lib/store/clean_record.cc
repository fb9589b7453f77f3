#include "store/clean_record.h"

#include <array>

#include "base/bytes.h"
#include "base/hash.h"
#include "log/checkpoint.h"
#include "snapshot/lmdb_snapshot_store.h"
#include "store/checkpoint_files.h"

namespace oncelog::store {

namespace {

constexpr std::uint32_t kMagic = 0x4F4E434C;  // "ONCL"
constexpr std::int16_t kVersion = 2;
constexpr std::size_t kHashPosition = 6;
constexpr std::size_t kBodyPosition = 14;
constexpr std::int64_t kWitnessBytesMax = std::int64_t{64} << 20;
constexpr std::array kWitnessNames{kRecoveryPointFile, kLogStartFile, kHighWatermarkFile};

class Writer {
 public:
  template <std::integral T>
  void number(T value) {
    const std::size_t begin = bytes_.size();
    bytes_.resize(begin + sizeof(T));
    base::store_be(std::span(bytes_), begin, value);
  }
  void text(std::string_view text) {
    number(static_cast<std::int16_t>(text.size()));
    const Bytes bytes = as_bytes(text);
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  }
  std::vector<std::byte>& bytes() { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

/// Reads past the end give zeros and are noticed once, at the end, as is what else is refused.
class Reader {
 public:
  explicit Reader(Bytes bytes) : bytes_(bytes) {}
  template <std::integral T>
  T number() {
    if (bytes_.size() < sizeof(T)) {
      refuse();
      return T{};
    }
    const T value = base::load_be<T>(bytes_, 0);
    bytes_ = bytes_.subspan(sizeof(T));
    return value;
  }
  std::string text() {
    const auto length = static_cast<std::size_t>(number<std::uint16_t>());
    if (bytes_.size() < length) {
      refuse();
      return {};
    }
    std::string text(as_text(bytes_.first(length)));
    bytes_ = bytes_.subspan(length);
    return text;
  }
  /// How many entries follow.
  std::int32_t count() {
    const auto count = number<std::int32_t>();
    if (count < 0) refuse();
    return count;
  }
  void refuse() { has_failed_ = true; }
  [[nodiscard]] bool is_exhausted() const { return !has_failed_ && bytes_.empty(); }
  [[nodiscard]] bool has_failed() const { return has_failed_; }

 private:
  Bytes bytes_;
  bool has_failed_ = false;
};

}  // namespace

std::vector<std::byte> encode_clean_record(const CleanRecord& record) {
  Writer out;
  out.number(kMagic);
  out.number(kVersion);
  out.number(std::uint64_t{0});
  out.number(static_cast<std::int32_t>(record.witnesses.size()));
  for (const WitnessFile& witness : record.witnesses) {
    out.text(witness.name);
    out.number(witness.inode);
    out.number(witness.hash);
  }
  out.number(static_cast<std::int32_t>(record.partitions.size()));
  for (const auto& [name, end] : record.partitions) {
    out.text(name.topic);
    out.number(name.partition);
    out.number(end.next_offset.value());
    out.number(end.active_bytes);
    out.number(end.last_batch_crc);
    out.number(end.segment_count);
    out.number(end.log_bytes);
  }
  out.number(record.state_close_record);
  const std::span bytes(out.bytes());
  base::store_be(bytes, kHashPosition, base::hash64(bytes.subspan(kBodyPosition)));
  return std::move(out.bytes());
}

Result<CleanRecord> decode_clean_record(Bytes file) {
  if (file.size() < kBodyPosition || base::load_be<std::uint32_t>(file, 0) != kMagic) {
    return fail(ErrorCode::CORRUPT_MESSAGE, "clean record: ", file.size(),
                " bytes without its magic");
  }
  if (const auto version = base::load_be<std::int16_t>(file, 4); version != kVersion) {
    return fail(ErrorCode::UNSUPPORTED_VERSION, "clean record: version ", version, ", expected ",
                kVersion);
  }
  const Bytes body = file.subspan(kBodyPosition);
  if (base::load_be<std::uint64_t>(file, kHashPosition) != base::hash64(body)) {
    return fail(ErrorCode::CORRUPT_MESSAGE, "clean record: hash does not match the bytes");
  }
  Reader in(body);
  CleanRecord record;
  for (auto left = in.count(); left > 0 && !in.has_failed(); --left) {
    WitnessFile witness;
    witness.name = in.text();
    witness.inode = in.number<std::uint64_t>();
    witness.hash = in.number<std::uint64_t>();
    record.witnesses.push_back(std::move(witness));
  }
  for (auto left = in.count(); left > 0 && !in.has_failed(); --left) {
    TopicPartition name;
    name.topic = in.text();
    name.partition = in.number<std::int32_t>();
    log::CleanEnd end;
    end.next_offset = Offset(in.number<std::int64_t>());
    end.active_bytes = in.number<std::int64_t>();
    end.last_batch_crc = in.number<std::uint32_t>();
    end.segment_count = in.number<std::int32_t>();
    end.log_bytes = in.number<std::int64_t>();
    // Each once and ascending, as they are written: no record has two forms.
    if (!record.partitions.empty() && name <= record.partitions.rbegin()->first) in.refuse();
    record.partitions.emplace(std::move(name), end);
  }
  record.state_close_record = in.number<std::uint64_t>();
  if (!in.is_exhausted()) {
    return fail(ErrorCode::CORRUPT_MESSAGE,
                "clean record: its counts do not fit, or names are out of order");
  }
  return record;
}

Result<WitnessFile> look_at_witness(Vfs& vfs, const std::string& path, std::string_view name) {
  ONCELOG_TRY_ASSIGN(const std::optional<FileStatus> status, vfs.status(path));
  if (!status) return WitnessFile{std::string(name), 0, 0};
  ONCELOG_TRY_ASSIGN(const auto content, log::read_small_file(vfs, path, kWitnessBytesMax));
  return WitnessFile{std::string(name), status->inode,
                     base::hash64(as_bytes(content.value_or("")))};
}

Result<void> write_clean_record(Vfs& vfs, const std::string& directory,
                                const std::map<TopicPartition, log::CleanEnd>& partitions,
                                const std::optional<WitnessFile>& also) {
  CleanRecord record;
  for (const std::string_view name : kWitnessNames) {
    ONCELOG_TRY_ASSIGN(WitnessFile witness,
                       look_at_witness(vfs, directory + "/" + std::string(name), name));
    record.witnesses.push_back(std::move(witness));
  }
  if (also) record.witnesses.push_back(*also);
  record.partitions = partitions;
  ONCELOG_TRY_ASSIGN(record.state_close_record,
                     snapshot::LmdbSnapshotStore::close_record(vfs, directory));
  return log::replace_file(vfs, directory + "/" + std::string(kCleanRecordFile),
                           encode_clean_record(record));
}

}  // namespace oncelog::store
