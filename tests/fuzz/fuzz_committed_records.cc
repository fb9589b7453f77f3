// fuzz_committed_records.cc: the consumer's filter over batches and a list of aborted transactions
// that may be anything. The rules:
// - the position never goes back, and stands behind every record that was given;
// - an end stays an end, and a failure the same failure;
// - without one, exactly the records are given that the plain rule of semantics 10 gives (below,
//   with a search through all batches where the filter keeps a set).
//
// The input: batches; behind them where to begin, whether CRCs are checked, and the list: how many,
// and of each the producer and the first offset.
#include <algorithm>

#include "fuzz/repair.h"
#include "fuzz/target.h"
#include "oncelog/record.h"

namespace oncelog::fuzz {

namespace {

constexpr DecompressionLimits kLimits{.bytes_max = 1 << 14, .ratio_max = 1024};
constexpr std::size_t kChoices = 2 + 3 * 2;

struct Question {
  Bytes bytes{};
  CommittedRecords::Options options{};
  std::vector<AbortedTransaction> aborted{};
};

Question parse(Input input) {
  Question question;
  question.options.limits = kLimits;
  question.options.from = Offset(input.choice());
  const std::uint8_t choice = input.choice();
  question.options.check_crcs = (choice & 4) == 0;
  for (int i = 0; i < 3; ++i) {
    const ProducerId id(input.choice());
    const Offset first(input.choice());
    if (i < (choice & 3)) question.aborted.push_back({id, first});
  }
  question.bytes = input.bytes();
  return question;
}

struct Answer {
  std::vector<Offset> offsets{};
  Offset end{};
  bool has_failed = false;
};

Answer filtered(const Question& question) {
  Answer answer;
  CommittedRecords records(question.bytes, question.aborted, question.options);
  Offset position = records.position();
  ONCELOG_ASSERT(position == question.options.from);
  for (;;) {
    const auto record = records.next();
    ONCELOG_ASSERT(records.position() >= position, records.position(), position);
    position = records.position();
    if (record && *record) {
      ONCELOG_ASSERT((*record)->offset < position, (*record)->offset, position);
      answer.offsets.push_back((*record)->offset);
      continue;
    }
    const auto again = records.next();
    ONCELOG_ASSERT(again.has_value() == record.has_value() && !(again && *again));
    ONCELOG_ASSERT(records.position() == position);
    answer.end = position;
    answer.has_failed = !record;
    return answer;
  }
}

bool is_abort_of(const RecordBatchView& batch, ProducerId id) {
  if (!batch.is_control() || batch.producer_id() != id) return false;
  const auto control = batch.control_record();
  return control && *control && (*control)->is_abort();
}

/// Whether the batch at `index` lies between the first offset of an aborted transaction of its
/// producer, as far as the batches up to it have reached that, and the marker.
bool is_aborted(const std::vector<RecordBatchView>& batches, std::size_t index,
                const std::vector<AbortedTransaction>& aborted) {
  const RecordBatchView& batch = batches[index];
  const ProducerId id = batch.producer_id();
  if (!batch.is_transactional() || id <= kNoProducerId) return false;
  return std::ranges::any_of(aborted, [&](const AbortedTransaction& entry) {
    if (entry.producer_id != id) return false;
    std::size_t begin = 0;
    while (begin <= index && (batches[begin].producer_id() <= kNoProducerId ||
                              batches[begin].last_offset() < entry.first_offset)) {
      ++begin;
    }
    if (begin > index) return false;
    for (std::size_t i = begin; i < index; ++i) {
      if (is_abort_of(batches[i], id)) return false;
    }
    return true;
  });
}

/// Of bytes in which everything can be read.
Answer plain(const Question& question) {
  Answer answer;
  answer.end = question.options.from;
  std::vector<RecordBatchView> batches;
  BatchCursor cursor(question.bytes);
  for (auto next = cursor.next(); next && *next; next = cursor.next()) batches.push_back(**next);
  for (std::size_t i = 0; i < batches.size(); ++i) {
    const RecordBatchView& batch = batches[i];
    const bool is_wanted = !batch.is_control() && !is_aborted(batches, i, question.aborted) &&
                           batch.next_offset() > answer.end;
    if (is_wanted) {
      auto reader = RecordReader::open(batch, kLimits);
      ONCELOG_ASSERT(reader.has_value());
      for (auto record = reader->next(); record && *record; record = reader->next()) {
        if ((*record)->offset < answer.end) continue;
        answer.offsets.push_back((*record)->offset);
        answer.end = std::max(answer.end, (*record)->offset + 1);
      }
    }
    answer.end = std::max(answer.end, batch.next_offset());
  }
  return answer;
}

}  // namespace

}  // namespace oncelog::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace oncelog::fuzz;
  const Question question = parse(Input(data, size));
  const Answer answer = filtered(question);
  if (answer.has_failed) return 0;
  const Answer expected = plain(question);
  ONCELOG_ASSERT(answer.end == expected.end, answer.end, expected.end);
  ONCELOG_ASSERT(answer.offsets == expected.offsets, answer.offsets.size(),
                 expected.offsets.size());
  return 0;
}

std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t size_max,
                                    unsigned seed) {
  using namespace oncelog::fuzz;
  return mutate_in_front(data, size, size_max, kChoices, seed, [](Stretch& bytes, unsigned way) {
    bytes.mutate();
    if (way % 8 != 0) repair_batches(bytes.bytes());
  });
}
