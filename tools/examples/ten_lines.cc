// ten_lines.cc: the README's example: a batch is sent twice, as by a client that never saw the
// first answer, stored once, and read back.
//
//     example_ten_lines STORE_DIRECTORY
#include <cstdio>
#include <string>

#include "oncelog/oncelog.h"

using namespace oncelog;

namespace {

Result<void> run(const std::string& directory) {
  ONCELOG_TRY_ASSIGN(const auto store, Store::open(directory));
  ONCELOG_TRY_ASSIGN(const auto log, store->open_partition({"orders", 0}));
  RecordBatchBuilder builder({.producer_id = ProducerId(7),
                              .producer_epoch = ProducerEpoch(0),
                              .base_sequence = Sequence(0)});
  ONCELOG_TRY(builder.add({.timestamp = system_clock().now(),
                           .key = as_bytes("order-1"),
                           .value = as_bytes("one umbrella")}));
  ONCELOG_TRY_ASSIGN(const auto batch, builder.build());
  ONCELOG_TRY(log->append_as_leader(batch));
  ONCELOG_TRY_ASSIGN(const Appended retry, log->append_as_leader(batch));  // stored once
  ONCELOG_TRY_ASSIGN(const Fetched fetched,
                     log->fetch(Offset(0), {.isolation = Isolation::kReadCommitted}));
  ONCELOG_TRY_ASSIGN(const auto bytes, fetched.read());
  CommittedRecords records(bytes, *fetched.aborted, {});
  while (true) {
    ONCELOG_TRY_ASSIGN(const auto record, records.next());
    if (!record) break;
    std::printf("offset %lld: %s\n", static_cast<long long>(record->offset.value()),
                std::string(as_text(*record->value)).c_str());
  }
  std::printf("the second append was %s\n", retry.is_duplicate ? "a duplicate" : "stored again");
  if (!retry.is_duplicate || log->ends().log_end != Offset(1)) {
    return fail(ErrorCode::UNKNOWN_SERVER_ERROR, "log end ", log->ends().log_end, ", expected 1");
  }
  return store->close();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const Result<void> outcome = run(argv[1]);
  if (!outcome) std::fprintf(stderr, "%s\n", outcome.error().text().c_str());
  return outcome ? 0 : 1;
}
