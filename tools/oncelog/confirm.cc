#include "confirm.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>

#include "args.h"

namespace oncelog::cli {

int report_refusal(std::string_view context) {
  fmt::print(stderr, "oncelog: REFUSED: {}\n", context);
  return kExitRefused;
}

bool confirm(const std::string& question) {
  if (::isatty(STDIN_FILENO) != 1 || ::isatty(STDERR_FILENO) != 1) {
    report_refusal("nothing was changed: there is no terminal to ask at; --yes does it");
    return false;
  }
  fmt::print(stderr, "{} [y/N] ", question);
  std::string answer;
  std::getline(std::cin, answer);
  if (answer == "y" || answer == "yes") return true;
  report_refusal("nothing was changed");
  return false;
}

}  // namespace oncelog::cli
