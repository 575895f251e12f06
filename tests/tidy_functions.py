"""Finds the functions of a C++ or Python text and how many lines each has."""
import ast
import re

COMMENT_OR_LITERAL = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', re.S)
CONTAINER = re.compile(r"\b(namespace|class|struct|union|enum|extern)\b")
NAME = re.compile(r"([A-Za-z_~][\w:~]*)\s*\(")


def blank(match):
    """The same number of lines, with nothing in them that could be a brace."""
    return "".join(c if c == "\n" else " " for c in match.group(0))


def cpp_functions(text):
    """Yields (name, first line, lines). A brace scope inside a function belongs to it."""
    text = COMMENT_OR_LITERAL.sub(blank, text)
    text = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", blank, text, flags=re.M)
    stack, head, line, head_line = [], "", 1, 1
    for char in text:
        if char == "\n":
            line += 1
        if char == "{":
            inside_function = any(kind == "function" for kind, _, _ in stack)
            is_container = CONTAINER.search(head.split("(")[0]) is not None
            is_function = ")" in head and not is_container and not inside_function
            name = NAME.search(head)
            kind = "function" if is_function else "other"
            stack.append((kind, name.group(1) if name else "?", head_line))
            head = ""
        elif char == "}":
            kind, name, first = stack.pop() if stack else ("other", "?", line)
            if kind == "function":
                yield name, first, line - first + 1
            head = ""
        elif char == ";":
            head = ""
        else:
            if not head.strip():
                head_line = line
            head += char


def functions(text, suffix):
    if suffix != ".py":
        yield from cpp_functions(text)
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, node.lineno, node.end_lineno - node.lineno + 1
