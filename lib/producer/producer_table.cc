#include "producer/producer_table.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"

namespace oncelog::producer {

namespace {
/// Beyond so many producers in one append they are looked up by a hash instead of one by one.
constexpr std::size_t kLinearChangesMax = 16;
}  // namespace

std::size_t ProducerTable::IdHash::operator()(ProducerId id) const {
  // Ids are handed out in order; a multiplication spreads them over any bucket count.
  return static_cast<std::size_t>(static_cast<std::uint64_t>(id.value()) * 0x9E3779B97F4A7C15u);
}

const ProducerEntry* ProducerTable::find(ProducerId id) const {
  const auto found = entries_.find(id);
  return found == entries_.end() ? nullptr : &found->second;
}

std::vector<std::pair<ProducerId, ProducerEntry>> ProducerTable::entries() const {
  std::vector<std::pair<ProducerId, ProducerEntry>> all(entries_.begin(), entries_.end());
  std::ranges::sort(all, {}, &std::pair<ProducerId, ProducerEntry>::first);
  return all;
}

std::vector<ProducerInfo> ProducerTable::list() const {
  std::vector<ProducerInfo> infos;
  infos.reserve(entries_.size());
  for (const auto& [id, entry] : entries()) {
    const RememberedBatch* last = entry.last_batch();
    infos.push_back({id, entry.epoch, entry.last_sequence(),
                     last == nullptr ? kNoOffset : last->last_offset, entry.coordinator_epoch,
                     entry.transaction_first_offset, entry.last_timestamp});
  }
  return infos;
}

Offset ProducerTable::stable_offset_after(const CompletedTransaction& completed) const {
  for (const auto& [first_offset, transaction] : open_) {
    if (transaction.producer_id != completed.producer_id) return first_offset;
  }
  return completed.last_offset + 1;
}

void ProducerTable::apply(PendingAppend& pending) noexcept {
  for (const PendingAppend::Change& change : pending.changes_) {
    if (change.stored != nullptr) *change.stored = change.after;
  }
  entries_.merge(pending.new_entries_);
  open_.merge(pending.new_transactions_);
  for (const CompletedTransaction& completed : pending.completed_) {
    if (completed.is_aborted) {
      pending.aborted_.push_back({Offset{}, completed.producer_id, completed.first_offset,
                                  completed.last_offset, stable_offset_after(completed)});
    }
    auto node = open_.extract(completed.first_offset);
    ONCELOG_ASSERT(!node.empty(), completed.producer_id, completed.first_offset);
    node.mapped().last_offset = completed.last_offset;
    unreleased_.insert(std::move(node));
  }
}

void ProducerTable::release_below(Offset high_watermark) noexcept {
  std::erase_if(unreleased_,
                [&](const auto& item) { return item.second.last_offset < high_watermark; });
}

std::optional<Offset> ProducerTable::first_unstable_offset() const {
  if (open_.empty() && unreleased_.empty()) return std::nullopt;
  if (open_.empty()) return unreleased_.begin()->first;
  if (unreleased_.empty()) return open_.begin()->first;
  return std::min(open_.begin()->first, unreleased_.begin()->first);
}

bool ProducerTable::has_open_transaction_of_another(Offset first_offset, ProducerId id) const {
  const auto found = open_.find(first_offset);
  return found != open_.end() && found->second.producer_id != id;
}

void ProducerTable::clear() {
  entries_.clear();
  open_.clear();
  unreleased_.clear();
}

void ProducerTable::restore(ProducerId id, const ProducerEntry& entry) {
  ProducerEntry& stored = entries_[id];
  if (stored.transaction_first_offset) open_.erase(*stored.transaction_first_offset);
  stored = entry;
  if (entry.transaction_first_offset) open_[*entry.transaction_first_offset] = {id, Offset{}};
}

std::vector<std::string> ProducerTable::check_invariants() const {
  std::vector<std::string> broken;
  std::size_t open_count = 0;
  for (const auto& [id, entry] : entries_) {
    if (entry.window().size() > kWindowBatches) broken.push_back("window too large");
    if (!std::ranges::is_sorted(entry.window(), {}, &RememberedBatch::last_offset)) {
      broken.push_back("window of producer " + std::to_string(id.value()) + " is not in order");
    }
    if (!entry.transaction_first_offset) continue;
    ++open_count;
    const auto found = open_.find(*entry.transaction_first_offset);
    if (found == open_.end() || found->second.producer_id != id) {
      broken.push_back("open transaction of producer " + std::to_string(id.value()) +
                       " is not in the map");
    }
  }
  if (open_count != open_.size()) broken.push_back("open transactions without a producer");
  return broken;
}

PendingAppend::Change& PendingAppend::find_change(ProducerId id) {
  if (changes_.size() <= kLinearChangesMax) {
    const auto found = std::ranges::find(changes_, id, &Change::producer_id);
    if (found != changes_.end()) return *found;
  } else {
    if (change_index_.empty()) {
      for (std::size_t i = 0; i < changes_.size(); ++i) change_index_[changes_[i].producer_id] = i;
    }
    if (const auto found = change_index_.find(id); found != change_index_.end()) {
      return changes_[found->second];
    }
    change_index_[id] = changes_.size();
  }
  const auto stored = table_.entries_.find(id);
  ProducerEntry* entry = stored == table_.entries_.end() ? nullptr : &stored->second;
  changes_.push_back({id, entry, entry == nullptr ? ProducerEntry{} : *entry});
  return changes_.back();
}

Result<AppendVerdict> PendingAppend::check(const record::BatchHeader& header,
                                           const std::optional<ControlRecord>& control,
                                           Strictness strictness) {
  if (!header.has_producer_id()) return AppendVerdict{};
  if (changes_.empty()) {
    // The usual append is one batch: refusals and duplicates need no copy of the entry.
    const ProducerEntry* stored = table_.find(header.producer_id);
    ONCELOG_TRY_ASSIGN(const AppendVerdict verdict,
                       check_append(stored, header, control, strictness));
    if (verdict.duplicate_of != nullptr) return verdict;
  } else {
    ONCELOG_TRY_ASSIGN(
        const AppendVerdict verdict,
        check_append(&find_change(header.producer_id).after, header, control, strictness));
    if (verdict.duplicate_of != nullptr) return verdict;
  }
  const TransactionStep step = apply_append(find_change(header.producer_id).after, header, control);
  if (step.has_started) started_.emplace_back(header.base_offset, header.producer_id);
  if (step.completed) completed_.push_back(*step.completed);
  return AppendVerdict{};
}

void PendingAppend::prepare() {
  for (const Change& change : changes_) {
    if (change.stored == nullptr) new_entries_.emplace(change.producer_id, change.after);
  }
  if (!new_entries_.empty()) table_.entries_.reserve(table_.entries_.size() + new_entries_.size());
  for (const auto& [offset, id] : started_) {
    new_transactions_.emplace(offset, ProducerTable::Transaction{id, Offset{}});
  }
  aborted_.reserve(aborted_count());
}

std::size_t PendingAppend::aborted_count() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(completed_, &CompletedTransaction::is_aborted));
}

void PendingAppend::clear() {
  changes_.clear();
  change_index_.clear();
  started_.clear();
  completed_.clear();
  new_entries_.clear();
  new_transactions_.clear();
  aborted_.clear();
}

}  // namespace oncelog::producer
