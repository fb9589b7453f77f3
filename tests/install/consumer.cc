// What a user of an installed oncelog writes.
#include <oncelog/oncelog.h>

#include <iostream>

int main() {
  std::cout << oncelog::kafka_name(oncelog::ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER) << '\n';
}
