// entry_lists.h: the listing of each kind of file, for list_file_entries().
#pragma once

#include "inspect/entry_source.h"
#include "oncelog/error.h"
#include "oncelog/inspect_file.h"

namespace oncelog::inspect {

// index_entries.cc
Result<void> list_offset_index(const EntrySource& source, const FileEntryVisitor& visit);
Result<void> list_time_index(const EntrySource& source, const FileEntryVisitor& visit);
Result<void> list_txn_index(const EntrySource& source, const FileEntryVisitor& visit);
// snapshot_entries.cc
Result<void> list_producer_snapshot(const EntrySource& source, const FileEntryVisitor& visit);
// checkpoint_entries.cc
Result<void> list_leader_epochs(const EntrySource& source, const FileEntryVisitor& visit);
Result<void> list_offset_checkpoint(const EntrySource& source, const FileEntryVisitor& visit);
Result<void> list_partition_metadata(const EntrySource& source, const FileEntryVisitor& visit);
// side_file_entries.cc
Result<void> list_seal(const EntrySource& source, const FileEntryVisitor& visit);
Result<void> list_append_ring(const EntrySource& source, const FileEntryVisitor& visit);
Result<void> list_clean_record(const EntrySource& source, const FileEntryVisitor& visit);
// state_entries.cc
Result<void> list_producer_state(const EntrySource& source, const FileEntryVisitor& visit);

}  // namespace oncelog::inspect
