#!/usr/bin/env python3
"""The rules of tidy.py find what breaks them and leave alone what does not."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import tidy
import tidy_functions


class FunctionsTest(unittest.TestCase):
    def lengths(self, text):
        return {name: lines for name, _, lines in tidy_functions.functions(text, ".cc")}

    def test_a_function_is_counted_from_its_signature_to_its_brace(self):
        text = "namespace a {\nvoid f(int x,\n       int y) {\n  if (x) {\n  }\n}\n}\n"
        self.assertEqual(self.lengths(text), {"f": 5})

    def test_a_member_in_a_class_is_a_function_and_the_class_is_none(self):
        text = "class A : public B {\n  int g() {\n    return 1;\n  }\n};\n"
        self.assertEqual(self.lengths(text), {"g": 3})

    def test_braces_in_comments_and_literals_do_not_count(self):
        text = 'void f() {\n  // }\n  char c = \'{\';\n  s = "}";\n}\n'
        self.assertEqual(self.lengths(text), {"f": 5})


class RulesTest(unittest.TestCase):
    def text_problems(self, text, name="vhd/x.cc", data_path=()):
        return list(tidy.check_text("vhd", pathlib.PurePath(name), text, set(data_path)))

    def include_problems(self, folder, text):
        return list(tidy.check_includes(folder, "x", text, {}))

    def test_sibling_include_is_found_and_io_is_allowed(self):
        self.assertEqual(len(self.include_problems("storvsp", '#include "vhd/disk.h"\n')), 1)
        self.assertEqual(self.include_problems("storvsp", '#include "io/reactor.h"\n'), [])

    def test_dpdk_is_for_the_switch_and_its_ports_only(self):
        self.assertEqual(len(self.include_problems("vhd", "#include <rte_mbuf.h>\n")), 1)
        self.assertEqual(self.include_problems("vswitch", "#include <rte_mbuf.h>\n"), [])

    def test_long_line_and_long_function_are_found(self):
        self.assertEqual(len(self.text_problems("x" * 101 + "\n")), 1)
        body = "void f() {\n" + "  g();\n" * 70 + "}\n"
        self.assertEqual(len(self.text_problems(body)), 1)

    def test_lock_is_found_on_the_data_path_only(self):
        text = "std::mutex lock;\n"
        self.assertEqual(self.text_problems(text), [])
        self.assertEqual(len(self.text_problems(text, data_path=["vhd/x.cc"])), 1)

    def test_allocation_before_the_first_request_is_marked(self):
        text = "auto* x = new X;{}\n"
        self.assertEqual(len(self.text_problems(text.format(""), data_path=["vhd/x.cc"])), 1)
        marked = text.format("  // set-up")
        self.assertEqual(self.text_problems(marked, data_path=["vhd/x.cc"]), [])

    def test_todo_needs_a_reason(self):
        self.assertEqual(len(self.text_problems("// TODO later\n")), 1)
        self.assertEqual(self.text_problems("// TODO(perf): later\n"), [])

    def test_circle_between_folders_is_named(self):
        circle = tidy.find_cycle({"a": {"b"}, "b": {"c"}, "c": {"a"}})
        self.assertEqual(circle, ["a", "b", "c", "a"])
        self.assertIsNone(tidy.find_cycle({"a": {"b", "c"}, "b": {"c"}}))


if __name__ == "__main__":
    unittest.main()
