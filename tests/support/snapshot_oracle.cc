#include "support/snapshot_oracle.h"

namespace oncelog::test {

ProducerEntry make_entry(const EntrySpec& spec) {
  ProducerEntry entry;
  entry.epoch = ProducerEpoch(1);
  entry.last_timestamp = Timestamp(spec.timestamp);
  if (spec.open) entry.transaction_first_offset = Offset(*spec.open);
  entry.remember({Sequence(spec.sequence), Offset(spec.offset), 0, Timestamp(spec.timestamp - 1)});
  entry.remember(
      {Sequence(spec.sequence + 1), Offset(spec.offset + 1), 0, Timestamp(spec.timestamp)});
  return entry;
}

Result<void> save(PartitionSnapshots& partition, const CheckpointInfo& info, const Changes& changes,
                  Offset keep_from) {
  std::vector<ProducerChange> list;
  for (const auto& [id, entry] : changes) list.push_back({id, entry ? &*entry : nullptr});
  return partition.save(info, list, keep_from);
}

Producers visited(PartitionSnapshots& partition, Offset at) {
  Producers all;
  ProducerId last = kNoProducerId;
  EXPECT_THAT(partition.visit(at,
                              [&](ProducerId id, const ProducerEntry& entry) -> Result<void> {
                                EXPECT_GT(id, last) << "not ascending";
                                last = id;
                                all.emplace(id, entry);
                                return {};
                              }),
              Succeeds());
  return all;
}

std::vector<std::int64_t> offsets_of(PartitionSnapshots& partition) {
  std::vector<std::int64_t> offsets;
  for (const CheckpointInfo& info : value_of(partition.list())) {
    offsets.push_back(info.offset.value());
  }
  return offsets;
}

}  // namespace oncelog::test
