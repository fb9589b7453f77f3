package org.oncelog.interop;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.ArrayList;
import java.util.List;

/** Prints a report with one batch, record or entry per line, so that a diff names what differs. */
final class JsonOut {
  private static final ObjectMapper MAPPER = new ObjectMapper();

  private JsonOut() {}

  static String render(LogReport report) throws JsonProcessingException {
    JsonNode document = MAPPER.valueToTree(report);
    List<String> members = new ArrayList<>();
    for (var member : document.properties()) {
      members.add("\"" + member.getKey() + "\":" + render(member.getValue()));
    }
    return "{\n" + String.join(",\n", members) + "\n}\n";
  }

  private static String render(JsonNode value) throws JsonProcessingException {
    boolean listOfContainers =
        value.isArray() && !value.isEmpty() && value.get(0).isContainerNode();
    if (!listOfContainers) {
      return MAPPER.writeValueAsString(value);
    }
    List<String> lines = new ArrayList<>();
    for (JsonNode element : value) {
      lines.add("  " + MAPPER.writeValueAsString(element));
    }
    return "[\n" + String.join(",\n", lines) + "\n]";
  }
}
