// precompiled.h: what most tests include. The build reads it once (tests/CMakeLists.txt); nothing
// includes it.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <ranges>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "oncelog/inspect.h"
#include "oncelog/partition_log.h"
#include "oncelog/store.h"
