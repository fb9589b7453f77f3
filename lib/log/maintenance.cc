#include "log/maintenance.h"

#include "log/producer_checkpoint.h"
#include "log/seals.h"

namespace oncelog::log {

void maintain_if_due(LogState& state, bool has_rolled) {
  if (!has_rolled && !is_checkpoint_due(state, has_rolled)) return;
  const std::unique_lock maintenance(state.maintenance_mutex, std::try_to_lock);
  if (!maintenance.owns_lock()) return;
  if (is_checkpoint_due(state, has_rolled)) std::ignore = checkpoint_producers(state);
  if (has_rolled) std::ignore = seal_closed_segments(state);
}

}  // namespace oncelog::log
