// oncelog.h: everything a user needs; see README.md for a ten-line example.
#pragma once

#include "oncelog/backup.h"
#include "oncelog/clock.h"
#include "oncelog/error.h"
#include "oncelog/inspect.h"
#include "oncelog/inspect_partition.h"
#include "oncelog/inspect_transactions.h"
#include "oncelog/io.h"
#include "oncelog/maintenance.h"
#include "oncelog/metrics.h"
#include "oncelog/options.h"
#include "oncelog/partition_log.h"
#include "oncelog/record.h"
#include "oncelog/record_builder.h"
#include "oncelog/repair.h"
#include "oncelog/store.h"
#include "oncelog/types.h"
