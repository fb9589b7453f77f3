// txns.cc: `oncelog txns`: the transactions of a partition or of a whole store, and which of the
// open ones nobody will end any more.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "args.h"
#include "commands.h"
#include "partitions.h"
#include "table.h"

namespace oncelog::cli {

namespace {

struct TxnsFlags : PartitionFlags {
  std::int64_t hanging_ms = 900'000;  // a broker's transaction.max.timeout.ms
  std::optional<std::int64_t> now_ms{};
  std::string state{};
};

class Txns {
 public:
  Txns(const TxnsFlags& flags, bool names_partitions)
      : flags_(flags), table_(output_, columns(), names_partitions) {}

  int look_at(const PartitionDirectory& partition) {
    // The newest time is known behind the last batch: open transactions, which need it, wait.
    std::vector<ListedTransaction> open;
    const auto visit = [&](const ListedTransaction& transaction) {
      if (transaction.state == TransactionState::kOpen) {
        open.push_back(transaction);
      } else {
        show(partition.name, transaction, kNoTimestamp);
      }
      return output_.is_open();
    };
    const auto listing = list_transactions(partition.path, visit);
    if (!listing) return report(listing.error());
    const Timestamp now = flags_.now_ms ? Timestamp(*flags_.now_ms) : listing->newest_timestamp;
    for (const ListedTransaction& transaction : open) show(partition.name, transaction, now);
    return report_problems(listing->problems);
  }

  int finish() {
    table_.finish();
    return output_.finish();
  }

 private:
  static std::vector<Column> columns() {
    return {{"pid"},    {"epoch"},   {"coordinator"}, {"state", Align::kLeft}, {"first"}, {"last"},
            {"marker"}, {"records"}, {"age"},         {"since", Align::kLeft}};
  }

  [[nodiscard]] std::string state_of(const ListedTransaction& transaction,
                                     std::int64_t age_ms) const {
    const bool is_hanging =
        transaction.state == TransactionState::kOpen && age_ms > flags_.hanging_ms;
    return is_hanging ? "hanging" : state_text(transaction.state);
  }

  /// Of a completed transaction: how long it was open. Compaction may have left no time.
  static std::optional<std::int64_t> age_of(const ListedTransaction& transaction, Timestamp now) {
    const bool is_open = transaction.state == TransactionState::kOpen;
    if (transaction.first_timestamp <= kNoTimestamp) return std::nullopt;
    const Timestamp end = is_open ? now : transaction.last_timestamp;
    return std::max<std::int64_t>(end - transaction.first_timestamp, 0);
  }

  void show(const std::string& partition, const ListedTransaction& transaction, Timestamp now) {
    const std::optional<std::int64_t> age_ms = age_of(transaction, now);
    const std::string state = state_of(transaction, age_ms.value_or(0));
    if (!flags_.state.empty() && flags_.state != state) return;
    if (flags_.json) {
      show_json(partition, transaction, state, age_ms);
      return;
    }
    table_.add(partition,
               {std::to_string(transaction.producer_id.value()),
                std::to_string(transaction.producer_epoch.value()),
                std::to_string(transaction.coordinator_epoch.value()), state,
                number_text(transaction.first_offset), number_text(transaction.last_offset),
                number_text(transaction.marker_offset), std::to_string(transaction.record_count),
                age_ms ? duration_text(*age_ms) : "-",
                age_ms ? timestamp_text(transaction.first_timestamp) : "-"});
  }

  void show_json(const std::string& partition, const ListedTransaction& transaction,
                 const std::string& state, std::optional<std::int64_t> age_ms) {
    output_.write(json_line({{"partition", partition},
                             {"pid", transaction.producer_id.value()},
                             {"epoch", transaction.producer_epoch.value()},
                             {"coordinator_epoch", transaction.coordinator_epoch.value()},
                             {"state", state},
                             {"first_offset", json_number(transaction.first_offset)},
                             {"last_offset", json_number(transaction.last_offset)},
                             {"marker_offset", json_number(transaction.marker_offset)},
                             {"records", transaction.record_count},
                             {"batches", transaction.batch_count},
                             {"first_timestamp", transaction.first_timestamp.value()},
                             {"last_timestamp", transaction.last_timestamp.value()},
                             {"age_ms", json_number(age_ms)}}) +
                  "\n");
  }

  const TxnsFlags& flags_;
  Output output_{};
  PartitionTable table_;
};

int run_txns(const TxnsFlags& flags) {
  const auto partitions = find_partitions(flags);
  if (!partitions) return report(partitions.error());
  Txns txns(flags, partitions->size() > 1);
  const int status = look_at_all(*partitions, [&](const auto& at) { return txns.look_at(at); });
  return std::max(status, txns.finish());
}

}  // namespace

void add_txns(CLI::App& app, Run& run) {
  CLI::App* const txns = app.add_subcommand(
      "txns", "List transactions: completed by marker, then open and hanging ones");
  const auto flags = std::make_shared<TxnsFlags>();
  add_partition_flags(*txns, *flags);
  txns->add_option("--hanging-ms", flags->hanging_ms,
                   "An open transaction older than this hangs; default 900000, a broker's "
                   "transaction.max.timeout.ms")
      ->check(CLI::NonNegativeNumber);
  txns->add_option("--now", flags->now_ms,
                   "Measure ages up to this time, in ms since 1970, instead of the newest record");
  txns->add_option("--state", flags->state, "Only these: open, hanging, committed or aborted")
      ->check(CLI::IsMember({"open", "hanging", "committed", "aborted"}));
  txns->footer(
      "The age of a completed transaction is how long it was open. A transaction without a first\n"
      "offset wrote nothing here, or what it wrote is gone.\n"
      "\n"
      "Examples:\n"
      "  oncelog txns /var/lib/kafka/data --state hanging --now $(date +%s000)\n"
      "  oncelog txns /tmp/store orders-0 --json");
  txns->callback([&run, flags] { run = [flags] { return run_txns(*flags); }; });
}

}  // namespace oncelog::cli
