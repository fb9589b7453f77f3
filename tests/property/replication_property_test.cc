// replication_property_test.cc: over random leader changes, restarts, losses of power, cuts and
// deletions, replicas that do nothing but fetch, ask for the ends of leader epochs and append what
// they were sent end up with the same log, byte for byte, and no leader lacks what was committed.
//
// RC_PARAMS="max_success=… max_size=…" makes a run longer; each run prints its seed.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <array>
#include <ostream>

#include "support/replica_cluster.h"

namespace oncelog::test {
namespace {

enum class Kind : std::uint8_t {
  kProduce,
  kEndTransaction,
  kReplicate,
  kElect,
  kLeaveBehind,
  kKill,
  kClose,
  kLosePower,
  kRollOrFlush,
  kDeleteRecords,
  kApplyRetention,
};

struct Step {
  Kind kind = Kind::kProduce;
  std::uint8_t who = 0;
  std::uint8_t choice = 0;
};

void showValue(const Step& step, std::ostream& out) {
  constexpr std::array kNames{"produce",  "end transaction", "replicate", "elect",         "leave",
                              "kill",     "close",           "power",     "roll or flush", "delete",
                              "retention"};
  out << kNames[static_cast<std::size_t>(step.kind)] << " " << int{step.who} << " "
      << int{step.choice};
}

rc::Gen<Step> any_step() {
  return rc::gen::build<Step>(
      rc::gen::set(&Step::kind, rc::gen::weightedElement<Kind>({{30, Kind::kProduce},
                                                                {8, Kind::kEndTransaction},
                                                                {40, Kind::kReplicate},
                                                                {6, Kind::kElect},
                                                                {4, Kind::kLeaveBehind},
                                                                {3, Kind::kKill},
                                                                {2, Kind::kClose},
                                                                {3, Kind::kLosePower},
                                                                {4, Kind::kRollOrFlush},
                                                                {2, Kind::kDeleteRecords},
                                                                {2, Kind::kApplyRetention}})),
      rc::gen::set(&Step::who, rc::gen::resize(100, rc::gen::arbitrary<std::uint8_t>())),
      rc::gen::set(&Step::choice, rc::gen::resize(100, rc::gen::arbitrary<std::uint8_t>())));
}

void run(ReplicaCluster& cluster, const Step& step) {
  switch (step.kind) {
    case Kind::kProduce:
      return cluster.produce(step.who, step.choice);
    case Kind::kEndTransaction:
      return cluster.end_transaction(step.who, step.choice);
    case Kind::kReplicate:
      return cluster.replicate(step.who, step.choice);
    case Kind::kElect:
      return cluster.elect(step.who);
    case Kind::kLeaveBehind:
      return cluster.leave_behind(step.who);
    case Kind::kKill:
      return cluster.restart(step.who, false);
    case Kind::kClose:
      return cluster.restart(step.who, true);
    case Kind::kLosePower:
      return cluster.lose_power(step.who, step.choice);
    case Kind::kRollOrFlush:
      return cluster.roll_or_flush(step.who, step.choice);
    case Kind::kDeleteRecords:
      return cluster.delete_records(step.choice);
    case Kind::kApplyRetention:
      return cluster.apply_retention(step.who);
  }
}

RC_GTEST_PROP(ReplicationProperty, ReplicasEndUpWithOneLogAndLoseNothingCommitted,
              (std::uint8_t segment_choice)) {
  ReplicaCluster cluster(segment_choice);
  const auto steps = *rc::gen::container<std::vector<Step>>(any_step());
  for (const Step& step : steps) run(cluster, step);
  cluster.converge();
}

}  // namespace
}  // namespace oncelog::test
