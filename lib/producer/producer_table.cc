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

ProducerInfo describe(ProducerId id, const ProducerEntry& entry) {
  const RememberedBatch* last = entry.last_batch();
  ProducerInfo info{id,
                    entry.epoch,
                    entry.last_sequence(),
                    last == nullptr ? kNoOffset : last->last_offset,
                    entry.coordinator_epoch,
                    entry.transaction_first_offset,
                    entry.last_timestamp};
  for (const RememberedBatch& batch : entry.window()) {
    const bool has_sequence = batch.last_sequence != kNoSequence;  // not so for coordinators
    info.batches.push_back({has_sequence ? batch.first_sequence() : kNoSequence,
                            batch.last_sequence, batch.first_offset(), batch.last_offset,
                            batch.timestamp});
  }
  return info;
}

std::int64_t ProducerTable::bytes_of(const Slots& slots) {
  // A node with its link and the allocator's word, and a bucket.
  constexpr std::size_t kSlotBytes = sizeof(Slots::value_type) + 3 * sizeof(void*);
  return static_cast<std::int64_t>(slots.size() * kSlotBytes);
}

const ProducerTable::Slot* ProducerTable::find_slot(ProducerId id) const {
  for (const Slots* slots : {&changed_, &saving_, &cached_}) {
    if (const auto found = slots->find(id); found != slots->end()) return &found->second;
  }
  return nullptr;
}

const ProducerEntry* ProducerTable::find(ProducerId id) const {
  const Slot* slot = find_slot(id);
  return slot != nullptr && *slot ? &**slot : nullptr;
}

bool ProducerTable::is_unread(ProducerId id) const {
  return !is_complete_ && find_slot(id) == nullptr;
}

void ProducerTable::admit(ProducerId id, const Slot& stored) { cached_.emplace(id, stored); }

std::map<ProducerId, ProducerTable::Slot> ProducerTable::changed() const {
  std::map<ProducerId, Slot> all(changed_.begin(), changed_.end());
  all.insert(saving_.begin(), saving_.end());  // what has changed again stays as it is now
  return all;
}

Offset ProducerTable::stable_offset_after(const CompletedTransaction& completed) const {
  // The producer's next transaction may have come in the same append: it does not count (9.2), but
  // what is behind it must not hide it.
  std::optional<Offset> own_next;
  for (const auto& [first_offset, transaction] : open_) {
    if (transaction.producer_id != completed.producer_id) return own_next.value_or(first_offset);
    if (first_offset != completed.first_offset) own_next = first_offset;
  }
  return completed.last_offset + 1;
}

void ProducerTable::apply(PendingAppend& pending) noexcept {
  if (const auto& [entry, header] = pending.in_place_; entry != nullptr) {
    (void)apply_append(*entry, header, std::nullopt);
    return;
  }
  if (pending.changes_.empty()) return;
  for (const PendingAppend::Change& change : pending.changes_) {
    if (change.stored != nullptr) {
      *change.stored = change.after;
    } else {
      cached_.erase(change.producer_id);
    }
  }
  changed_.merge(pending.new_slots_);
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
  if (unreleased_.empty()) return;
  std::erase_if(unreleased_,
                [&](const auto& item) { return item.second.last_offset < high_watermark; });
}

std::optional<Offset> ProducerTable::first_unstable_offset() const {
  if (open_.empty() && unreleased_.empty()) return std::nullopt;
  if (open_.empty()) return unreleased_.begin()->first;
  if (unreleased_.empty()) return open_.begin()->first;
  return std::min(open_.begin()->first, unreleased_.begin()->first);
}

std::vector<std::pair<Offset, ProducerId>> ProducerTable::open_transactions_below(
    Offset offset) const {
  std::vector<std::pair<Offset, ProducerId>> below;
  for (auto open = open_.begin(); open != open_.end() && open->first < offset; ++open) {
    below.emplace_back(open->first, open->second.producer_id);
  }
  return below;
}

bool ProducerTable::has_open_transaction_of_another(Offset first_offset, ProducerId id) const {
  const auto found = open_.find(first_offset);
  return found != open_.end() && found->second.producer_id != id;
}

void ProducerTable::adopt_unreleased(const ProducerTable& other, Offset end) {
  for (const auto& [first_offset, transaction] : other.unreleased_) {
    if (transaction.last_offset < end) unreleased_.insert({first_offset, transaction});
  }
}

void ProducerTable::restore(ProducerId id, const ProducerEntry& entry) {
  const ProducerEntry* known = find(id);
  if (known != nullptr && known->transaction_first_offset) {
    open_.erase(*known->transaction_first_offset);
  }
  cached_.erase(id);
  changed_[id] = entry;
  if (entry.transaction_first_offset) open_[*entry.transaction_first_offset] = {id, Offset{}};
}

void ProducerTable::adopt_open(ProducerId id, const ProducerEntry& entry) {
  cached_[id] = entry;
  open_[*entry.transaction_first_offset] = {id, Offset{}};
}

void ProducerTable::forget(ProducerId id) {
  cached_.erase(id);
  changed_[id] = std::nullopt;
}

void ProducerTable::freeze() {
  ONCELOG_ASSERT(saving_.empty(), saving_.size());
  saving_.swap(changed_);
}

bool ProducerTable::thaw_some(std::size_t count) {
  for (; count > 0 && !saving_.empty(); --count) {
    auto node = saving_.extract(saving_.begin());
    const bool has_changed_again = changed_.contains(node.key());
    if (!has_changed_again) cached_.insert(std::move(node));
  }
  return saving_.empty();
}

void ProducerTable::unfreeze() {
  changed_.merge(saving_);
  saving_.clear();
}

void ProducerTable::evict_some(std::int64_t bytes_max) {
  // Bucket by bucket, a hand that goes round: without order, and without memory for one.
  constexpr int kBucketsMax = 64;
  for (int looked = 0; looked < kBucketsMax && cached_bytes() > bytes_max; ++looked) {
    evict_bucket_ = (evict_bucket_ + 1) % cached_.bucket_count();
    std::vector<ProducerId> idle;
    for (auto slot = cached_.begin(evict_bucket_); slot != cached_.end(evict_bucket_); ++slot) {
      const bool is_open = slot->second && slot->second->transaction_first_offset;
      if (!is_open) idle.push_back(slot->first);
    }
    for (const ProducerId id : idle) cached_.erase(id);
    if (idle.empty()) continue;
    is_complete_ = false;
    ++generation_;
  }
}

std::vector<std::string> ProducerTable::check_invariants() const {
  std::vector<std::string> broken;
  std::size_t open_count = 0;
  std::map<ProducerId, Slot> in_memory = changed();
  for (const auto& [id, slot] : cached_) {
    if (changed_.contains(id)) broken.push_back("a changed producer is cached, too");
  }
  in_memory.insert(cached_.begin(), cached_.end());
  for (const auto& [id, slot] : in_memory) {
    if (!slot) continue;
    const ProducerEntry& entry = *slot;
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
  const auto changed = table_.changed_.find(id);
  const ProducerEntry* known = table_.find(id);
  changes_.push_back({id, changed == table_.changed_.end() ? nullptr : &changed->second,
                      known == nullptr ? ProducerEntry{} : *known});
  return changes_.back();
}

bool PendingAppend::may_apply_in_place(const ProducerTable::Slot& slot,
                                       const record::BatchHeader& header) {
  if (!slot || header.is_control()) return false;
  return !header.is_transactional() || slot->transaction_first_offset;
}

Result<AppendVerdict> PendingAppend::check_first(const record::BatchHeader& header,
                                                 const std::optional<ControlRecord>& control,
                                                 Strictness strictness) {
  const auto changed = table_.changed_.find(header.producer_id);
  if (changed == table_.changed_.end()) {
    return check_append(table_.find(header.producer_id), header, control, strictness);
  }
  ProducerTable::Slot& slot = changed->second;
  ONCELOG_TRY_ASSIGN(const AppendVerdict verdict,
                     check_append(slot ? &*slot : nullptr, header, control, strictness));
  const bool is_duplicate = verdict.duplicate_of != nullptr;
  if (!is_duplicate && may_apply_in_place(slot, header)) in_place_ = {&*slot, header};
  return verdict;
}

void PendingAppend::stage_in_place() {
  if (in_place_.entry == nullptr) return;
  const record::BatchHeader& header = in_place_.header;
  (void)apply_append(find_change(header.producer_id).after, header, std::nullopt);
  in_place_.entry = nullptr;
}

Result<AppendVerdict> PendingAppend::check(const record::BatchHeader& header,
                                           const std::optional<ControlRecord>& control,
                                           Strictness strictness) {
  if (!header.has_producer_id()) return AppendVerdict{};
  stage_in_place();
  ONCELOG_TRY_ASSIGN(const AppendVerdict verdict,
                     changes_.empty() ? check_first(header, control, strictness)
                                      : check_append(&find_change(header.producer_id).after, header,
                                                     control, strictness));
  if (verdict.duplicate_of != nullptr || in_place_.entry != nullptr) return verdict;
  const TransactionStep step = apply_append(find_change(header.producer_id).after, header, control);
  if (step.has_started) started_.emplace_back(header.base_offset, header.producer_id);
  if (step.completed) completed_.push_back(*step.completed);
  return AppendVerdict{};
}

void PendingAppend::prepare() {
  if (changes_.empty()) return;
  for (const Change& change : changes_) {
    if (change.stored == nullptr) new_slots_.emplace(change.producer_id, change.after);
  }
  // Twice what is needed: the library's map would otherwise rehash at each of its many sizes.
  const std::size_t needed = table_.changed_.size() + new_slots_.size();
  if (needed > table_.changed_.bucket_count()) table_.changed_.reserve(2 * needed);
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
  in_place_.entry = nullptr;
  if (changes_.empty()) return;  // nothing of the rest without a change
  changes_.clear();
  change_index_.clear();
  started_.clear();
  completed_.clear();
  new_slots_.clear();
  new_transactions_.clear();
  aborted_.clear();
}

}  // namespace oncelog::producer
