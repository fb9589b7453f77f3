// fuzz_append_ring.cc: `.tail`. The rules: what a ring gives lies in it, one batch behind the other
// and whole, each as its entry says; a fill's header is encoded to what is read again; and an entry
// stands only with all before it: where one of them is changed, what was in front of it is given
// and nothing else.
//
// The input: the file, then a byte that chooses the entry to be changed.
#include <algorithm>

#include "fuzz/repair.h"
#include "fuzz/target.h"
#include "oncelog/record.h"
#include "segment/append_ring.h"

namespace oncelog::fuzz {

namespace {

constexpr std::size_t kBodyAt = 512;
constexpr std::size_t kEntryBytes = 40;

void check_batches(Bytes file, const segment::RingContent& content) {
  ONCELOG_ASSERT(content.entries.size() == content.batches.size());
  const std::byte* next = file.data() + kBodyAt;
  for (std::size_t i = 0; i < content.entries.size(); ++i) {
    const Bytes bytes = content.batches[i];
    ONCELOG_ASSERT(bytes.data() == next);
    next += bytes.size();
    const auto batch = RecordBatchView::parse(bytes);
    ONCELOG_ASSERT(batch && batch->check_crc());
    ONCELOG_ASSERT(batch->bytes().size() == bytes.size());
    ONCELOG_ASSERT(batch->base_offset() == content.entries[i].base_offset);
  }
  ONCELOG_ASSERT(next <= file.data() + file.size() - content.entries.size() * kEntryBytes);
}

void check_chain(Bytes file, const segment::RingContent& content, std::size_t changed) {
  Buffer copy(file.begin(), file.end());
  copy[copy.size() - (changed + 1) * kEntryBytes] ^= std::byte{1};
  const auto shorter = segment::read_ring(copy);
  ONCELOG_ASSERT(shorter.has_value());
  ONCELOG_ASSERT(shorter->entries.size() == changed);
  ONCELOG_ASSERT(std::ranges::equal(shorter->entries, std::span(content.entries).first(changed)));
}

}  // namespace

}  // namespace oncelog::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace oncelog;
  fuzz::Input input(data, size);
  const std::size_t choice = input.choice();
  const auto content = segment::read_ring(input.bytes());
  if (!content) return 0;
  const auto fill = segment::decode_ring_fill(segment::encode(content->fill));
  ONCELOG_ASSERT(fill == content->fill);
  fuzz::check_batches(input.bytes(), *content);
  if (!content->entries.empty()) {
    fuzz::check_chain(input.bytes(), *content, choice % content->entries.size());
  }
  return 0;
}

std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t size_max,
                                    unsigned seed) {
  using namespace oncelog;
  return fuzz::mutate_in_front(data, size, size_max, 1, seed,
                               [](fuzz::Stretch& file, unsigned way) {
                                 file.mutate();
                                 if (way % 8 != 0) fuzz::repair_ring(file.bytes(), way / 8 % 4);
                               });
}
