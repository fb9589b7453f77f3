// What a user writes who tests against a disk that loses power.
#include <oncelog/oncelog.h>
#include <sim/mem_snapshot_store.h>
#include <sim/sim_disk.h>

#include <iostream>

int main() {
  oncelog::sim::SimDisk disk;
  const oncelog::sim::MemSnapshotStore producers(&disk);
  oncelog::StoreOptions options;
  options.vfs = &disk;
  options.snapshots = producers.store();
  const auto store = oncelog::Store::open("/store", options);
  const auto log = store ? (*store)->open_partition({"t", 0}) : std::unexpected(store.error());
  if (!log) std::cout << log.error().text() << '\n';
  std::cout << (log ? "opened" : "failed") << '\n';
  return log ? 0 : 1;
}
