// fuzz_batch.cc: one batch as a client, a coordinator or a leader sends it. The rules:
// - a header that was decoded is encoded to the same bytes; the view agrees with the framing;
// - what check_batch accepts has a right CRC where it is stored, is read whole, record by record,
//   with the offsets and the largest time that its header says, and is accepted by a follower;
// - on a CreateTime topic it is accepted again, unchanged.
//
// The input: the batch; behind it a byte that chooses the topic's rules.
#include <algorithm>

#include "fuzz/repair.h"
#include "fuzz/target.h"
#include "record/batch_check.h"
#include "record/record_codec.h"

namespace oncelog::fuzz {

namespace {

using record::BatchHeader;
using record::BatchRules;
using record::CheckedBatch;
using record::Framing;
using record::kHeaderBytes;

constexpr DecompressionLimits kLimits{.bytes_max = 1 << 16, .ratio_max = 1024};
constexpr Offset kStoredAt{1000};
constexpr LeaderEpoch kStoredEpoch{3};

struct Setup {
  TopicConfig config{};
  AppendOrigin origin = AppendOrigin::kClient;

  explicit Setup(std::uint8_t choice) {
    if ((choice & 1) != 0) origin = AppendOrigin::kCoordinator;
    if ((choice & 2) != 0) config.message_timestamp_type = TimestampType::kLogAppendTime;
    if ((choice & 4) != 0) config.cleanup_compact = true;
    if ((choice & 8) != 0) {
      config.message_timestamp_before_max_ms = 1000;
      config.message_timestamp_after_max_ms = 1000;
    }
    const int codec = choice >> 4 & 7;
    if (codec <= 4 && (choice & 0x80) != 0) config.compression_type = static_cast<Codec>(codec);
  }
  [[nodiscard]] BatchRules rules() const { return {config, kLimits, origin, Timestamp(1700)}; }
};

/// Both ways to look at the front of a buffer.
void check_view(Bytes bytes) {
  const Framing framing = record::frame_batch(bytes);
  const auto view = RecordBatchView::parse(bytes);
  const bool is_batch = framing.state == Framing::State::kWhole && framing.magic == 2;
  ONCELOG_ASSERT(view.has_value() == is_batch, framing.problem);
  if (!view) return;
  ONCELOG_ASSERT(std::ssize(view->bytes()) == framing.size_bytes, framing.size_bytes);
  const auto head = view->bytes().first<kHeaderBytes>();
  std::array<std::byte, kHeaderBytes> encoded;
  record::encode_batch_header(record::decode_batch_header(head), encoded);
  ONCELOG_ASSERT(std::ranges::equal(encoded, head));
  (void)view->control_record();
}

Buffer stored_bytes(const CheckedBatch& batch) {
  BatchHeader header = batch.header;
  header.base_offset = kStoredAt;
  header.leader_epoch = kStoredEpoch;
  Buffer bytes(kHeaderBytes);
  record::encode_batch_header(header, std::span(bytes).first<kHeaderBytes>());
  bytes.insert(bytes.end(), batch.record_bytes.begin(), batch.record_bytes.end());
  return bytes;
}

void check_records(const RecordBatchView& view) {
  // Kafka's readers give a LogAppendTime batch one time; that is no largest of anything.
  const bool has_own_times = view.timestamp_type() == TimestampType::kCreateTime;
  auto reader = RecordReader::open(view, kLimits);
  ONCELOG_ASSERT(reader.has_value());
  Timestamp max_timestamp = kNoTimestamp;
  for (std::int32_t i = 0; i < view.record_count(); ++i) {
    const auto record = reader->next();
    ONCELOG_ASSERT(record && *record, i);
    ONCELOG_ASSERT((*record)->offset == kStoredAt + i, i);
    ONCELOG_ASSERT(std::ssize((*record)->headers()) == (*record)->header_count, i);
    max_timestamp = std::max(max_timestamp, (*record)->timestamp);
  }
  const auto behind = reader->next();
  ONCELOG_ASSERT(behind && !*behind);
  if (has_own_times) ONCELOG_ASSERT(max_timestamp == view.max_timestamp(), max_timestamp);
}

void check_follower(Bytes stored, const CheckedBatch& batch) {
  const auto received = record::check_received_batches(stored);
  ONCELOG_ASSERT(received.has_value());
  ONCELOG_ASSERT(received->size() == 1, received->size());
  const auto& control = received->front().control;
  if (!batch.header.has_producer_id()) return;  // its control records are nothing a log looks at
  ONCELOG_ASSERT(control.has_value() == batch.control.has_value());
  if (control) ONCELOG_ASSERT(control->type == batch.control->type, control->type);
}

void check_again(Buffer stored, const CheckedBatch& batch, const Setup& setup) {
  BatchHeader header = batch.header;
  header.base_offset = Offset(0);
  record::encode_batch_header(header, std::span(stored).first<kHeaderBytes>());
  const auto again = record::check_batch(stored, setup.rules());
  ONCELOG_ASSERT(again.has_value());
  ONCELOG_ASSERT(again->has_value());
  ONCELOG_ASSERT((*again)->rebuilt.empty());
  ONCELOG_ASSERT((*again)->header.crc == header.crc, (*again)->header.crc, header.crc);
  ONCELOG_ASSERT((*again)->header.max_timestamp == header.max_timestamp);
}

}  // namespace

}  // namespace oncelog::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace oncelog;
  using namespace oncelog::fuzz;
  Input input(data, size);
  const Setup setup(input.choice());
  check_view(input.bytes());
  (void)record::check_received_batches(input.bytes());
  const auto checked = record::check_batch(input.bytes(), setup.rules());
  if (!checked || !*checked) return 0;

  const Buffer stored = stored_bytes(**checked);
  const auto view = RecordBatchView::parse(stored);
  ONCELOG_ASSERT(view.has_value());
  ONCELOG_ASSERT(view->bytes().size() == stored.size(), stored.size());
  ONCELOG_ASSERT(view->check_crc().has_value());
  check_records(*view);
  check_follower(stored, **checked);
  if ((*checked)->append_time == kNoTimestamp) check_again(stored, **checked, setup);
  return 0;
}

std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t size_max,
                                    unsigned seed) {
  return oncelog::fuzz::mutate_in_front(data, size, size_max, 1, seed, oncelog::fuzz::mutate_batch);
}
