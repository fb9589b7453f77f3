// shell_session.h: what the shell holds between two requests, and its ops.
#pragma once

#include <memory>
#include <string>

#include "oncelog/oncelog.h"
#include "render.h"
#include "shell_request.h"

namespace oncelog::cli {

/// One store directory, and the partition that is open in it, if one is.
/// Invariant: store and log are there together or not at all.
struct ShellSession {
  std::string directory{};
  Vfs* vfs = nullptr;  ///< not owned; the machine's file systems if null
  ManualClock clock{Timestamp(1'700'000'000'000)};
  std::string partition_directory{};
  std::unique_ptr<Store> store{};
  std::shared_ptr<PartitionLog> log{};

  [[nodiscard]] bool is_open() const { return log != nullptr; }
};

/// The answer to a request, whatever is in the line.
Result<Json> shell_answer(ShellSession& session, const std::string& line);

/// Closes cleanly what is open. Nothing is open afterwards, whatever comes back.
Result<void> close_session(ShellSession& session);

/// {"ok":true} and the ends and segments of the open partition.
[[nodiscard]] Json json_state(const ShellSession& session);

// The ops. Each is called with checked fields and, all but open and clock, with an open partition.

Result<Json> shell_open(ShellSession& session, const Request& request);
Result<Json> shell_close(ShellSession& session, const Request& request);
Result<Json> shell_clock(ShellSession& session, const Request& request);

Result<Json> shell_append(ShellSession& session, const Request& request);
Result<Json> shell_append_raw(ShellSession& session, const Request& request);
Result<Json> shell_append_follower(ShellSession& session, const Request& request);
Result<Json> shell_marker(ShellSession& session, const Request& request);

Result<Json> shell_hw(ShellSession& session, const Request& request);
Result<Json> shell_state(ShellSession& session, const Request& request);
Result<Json> shell_truncate(ShellSession& session, const Request& request);
Result<Json> shell_truncate_fully(ShellSession& session, const Request& request);
Result<Json> shell_delete_records(ShellSession& session, const Request& request);
Result<Json> shell_retention(ShellSession& session, const Request& request);
Result<Json> shell_compact(ShellSession& session, const Request& request);
Result<Json> shell_expire_producers(ShellSession& session, const Request& request);
Result<Json> shell_checkpoint(ShellSession& session, const Request& request);
Result<Json> shell_roll(ShellSession& session, const Request& request);
Result<Json> shell_flush(ShellSession& session, const Request& request);
Result<Json> shell_producers(ShellSession& session, const Request& request);
Result<Json> shell_epochs(ShellSession& session, const Request& request);
Result<Json> shell_assign_epoch(ShellSession& session, const Request& request);
Result<Json> shell_epoch_end(ShellSession& session, const Request& request);
Result<Json> shell_aborted_index(ShellSession& session, const Request& request);

Result<Json> shell_read(ShellSession& session, const Request& request);
Result<Json> shell_consume(ShellSession& session, const Request& request);
Result<Json> shell_list_offsets(ShellSession& session, const Request& request);
Result<Json> shell_batches(ShellSession& session, const Request& request);
Result<Json> shell_records(ShellSession& session, const Request& request);
Result<Json> shell_verify(ShellSession& session, const Request& request);

}  // namespace oncelog::cli
