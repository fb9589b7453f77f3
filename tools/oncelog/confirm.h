// confirm.h: asking before something is changed.
#pragma once

#include <string>
#include <string_view>

namespace oncelog::cli {

/// One line on standard error for what is not done for safety; answers the exit status.
int report_refusal(std::string_view context);

/// Asks on the terminal, if there is one. True for a `y` or `yes`; else, told on standard error,
/// nothing may be changed.
[[nodiscard]] bool confirm(const std::string& question);

}  // namespace oncelog::cli
