#include "support/crash_verbs.h"

#include "segment/append_ring.h"

namespace oncelog::test {

namespace {

/// Rolled segments, aborted and open transactions, a checkpoint, and batches behind all that.
void fill(CrashWorld& world) {
  world.open();
  world.append(1, false);
  world.append(2, true);
  world.append(1, false);
  world.marker(2, MarkerType::kAbort);
  for (int i = 0; i < 4; ++i) world.append(1, false);
  world.set_high_watermark(world.model().log_end());
  world.append(2, true);
  world.append(4, false, Level::kDurable);
  world.append(1, false, Level::kWritten);
}

/// The same, seen from the end of a process that has closed it.
void fill_and_close(CrashWorld& world) {
  fill(world);
  world.close();
}

Offset base_of(const CrashWorld& world, std::size_t segment) {
  return world.log().segments()[segment];
}

}  // namespace

void PrintTo(const VerbCase& verb, std::ostream* out) { *out << verb.name; }

std::vector<VerbCase> crash_verbs() {
  return {
      {"Create", [](CrashWorld&) {}, [](CrashWorld& world) { world.open(); }},
      {"Append", fill, [](CrashWorld& world) { world.append(1, false); }},
      {"AppendWritten", fill, [](CrashWorld& world) { world.append(1, false, Level::kWritten); }},
      {"AppendDurable", fill, [](CrashWorld& world) { world.append(1, true, Level::kDurable, 9); }},
      {"AppendsThatRoll", fill,
       [](CrashWorld& world) {
         for (int i = 0; i < 6; ++i) world.append(i % 2 == 0 ? 1 : 2, false);
       }},
      {"MarkerCommit", fill, [](CrashWorld& world) { world.marker(2, MarkerType::kCommit); }},
      {"MarkerAbort", fill, [](CrashWorld& world) { world.marker(2, MarkerType::kAbort); }},
      {"FollowerAppend", fill, [](CrashWorld& world) { world.append_received(3, 2); }},
      {"FollowerAppendWithGap", fill,
       [](CrashWorld& world) {
         world.append_received(2, 1, 5);
         world.append_received(3, 2, 3);
         world.append_received(2, 2, 2);
       }},
      {"Roll", fill, [](CrashWorld& world) { world.roll(); }},
      {"Flush", fill, [](CrashWorld& world) { world.flush(); }},
      {"Checkpoint", fill, [](CrashWorld& world) { world.checkpoint(); }},
      {"TruncateInTheLastSegment", fill,
       [](CrashWorld& world) { world.truncate_to(world.model().log_end() - 3); }},
      {"TruncateAtABatch", fill,
       [](CrashWorld& world) { world.truncate_to(world.model().batches()[4].base_offset); }},
      {"TruncateAtASegment", fill, [](CrashWorld& world) { world.truncate_to(base_of(world, 1)); }},
      {"TruncateToTheFront", fill, [](CrashWorld& world) { world.truncate_to(Offset(0)); }},
      {"TruncateAndAppend", fill,
       [](CrashWorld& world) {
         world.truncate_to(world.model().batches()[5].base_offset);
         world.append(5, false);
         world.append(1, false, Level::kDurable);
       }},
      {"TruncateFullyAbove", fill, [](CrashWorld& world) { world.truncate_fully(Offset(500)); }},
      {"TruncateFullyInside", fill, [](CrashWorld& world) { world.truncate_fully(Offset(5)); }},
      {"TruncateFullyToTheFront", fill, [](CrashWorld& world) { world.truncate_fully(Offset(0)); }},
      {"DeleteRecords", fill, [](CrashWorld& world) { world.delete_records(Offset(5)); }},
      {"DeleteAllRecords", fill, [](CrashWorld& world) { world.delete_records(Offset(-1)); }},
      {"RetentionBelowTheLogStart",
       [](CrashWorld& world) {
         fill(world);
         world.delete_records(base_of(world, 1));
       },
       [](CrashWorld& world) { world.apply_retention(); }},
      {"RetentionBySize", fill, [](CrashWorld& world) { world.apply_retention(); },
       [](CrashOptions& options) { options.partition.config.retention_bytes = 400; }},
      {"RetentionOfAll", fill, [](CrashWorld& world) { world.apply_retention(); },
       [](CrashOptions& options) { options.partition.config.retention_bytes = 0; }},
      {"AppendsThatCheckpoint", fill,
       [](CrashWorld& world) {
         world.append(6, true);
         world.append(1, false);
       },
       [](CrashOptions& options) { options.store.checkpoint_interval_records = 1; }},
      {"AppendsToPreallocatedSegments", fill,
       [](CrashWorld& world) {
         for (int i = 0; i < 4; ++i) world.append(1, false);
       },
       [](CrashOptions& options) { options.partition.config.preallocate = true; }},
      {"ExpireAndCheckpoint", fill,
       [](CrashWorld& world) {
         world.expire_producers(90'000'000);
         world.checkpoint();
       }},
      {"AssignLeaderEpoch", fill,
       [](CrashWorld& world) {
         world.assign_epoch(3);
         world.append(1, false);
       }},
      {"AppendsThatRollWithOneFileOpen", fill,
       [](CrashWorld& world) {
         for (int i = 0; i < 3; ++i) world.append(i % 2 == 0 ? 1 : 2, false);
         world.truncate_to(base_of(world, 1));
         world.append(1, false);
       },
       [](CrashOptions& options) { options.store.open_files_max = 1; }},
      {"AlterConfig", fill,
       [](CrashWorld& world) {
         world.alter_retention_ms("77");
         world.append(1, false);
         world.alter_retention_ms("-1");
       }},
      {"HandTheRingToAnother", fill,
       [](CrashWorld& world) {
         world.append_elsewhere();
         world.append(1, false);
       },
       [](CrashOptions& options) {
         options.store.append_ring_bytes_total = segment::kRingBytesMin;
         options.store.append_ring_idle_ms = 0;
       }},
      {"DeletePartition", fill, [](CrashWorld& world) { world.delete_partition(); }},
      {"DeletePartitionAndCreate", fill,
       [](CrashWorld& world) {
         world.delete_partition();
         world.create_again();
         world.append(1, false);
       }},
      {"Close", fill, [](CrashWorld& world) { world.close(); }},
      {"OpenAfterAClose", fill_and_close, [](CrashWorld& world) { world.open(); }},
      {"OpenAfterAProcessDied",
       [](CrashWorld& world) {
         fill(world);
         world.end_process();
       },
       [](CrashWorld& world) { world.open(); }},
      {"CloseAgain",
       [](CrashWorld& world) {
         fill_and_close(world);
         world.open();
         world.append(1, false);
       },
       [](CrashWorld& world) { world.close(); }},
  };
}

std::string name_of(CrashPolicy policy) {
  switch (policy) {
    case CrashPolicy::kDurable:
      return "Durable";
    case CrashPolicy::kWritten:
      return "Written";
    default:
      return "Manual";
  }
}

CrashOptions options_of(CrashPolicy policy) {
  CrashOptions options;
  options.reuses_inode_numbers = policy != CrashPolicy::kDurable;
  options.store.sealed_segment_bytes_min = 0;
  options.store.append_ring_bytes = 1;  // the smallest: it is drained often
  options.partition.config.segment_bytes = 500;
  options.partition.config.index_interval_bytes = 100;
  options.partition.level = policy == CrashPolicy::kDurable ? Level::kDurable : Level::kWritten;
  options.partition.high_watermark = policy == CrashPolicy::kDurable ? HighWatermarkPolicy::kDurable
                                     : policy == CrashPolicy::kWritten
                                         ? HighWatermarkPolicy::kLogEnd
                                         : HighWatermarkPolicy::kManual;
  return options;
}

}  // namespace oncelog::test
