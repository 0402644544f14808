"""What every module keeps to, beyond what the linters see."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = [
    "adapters",
    "core",
    "execution",
    "jobs",
    "loaders",
    "models",
    "resolvers",
    "schema",
    "services",
    "subscriptions",
    "web",
]
MODULES = sorted(
    [
        ROOT / "app.py",
        ROOT / "cli.py",
        *(p for name in PACKAGES for p in (ROOT / name).rglob("*.py")),
    ]
)
CODE = [path for path in MODULES if path.name != "__init__.py" and "node_modules" not in path.parts]
MODULE_LINES = 400
FUNCTION_LINES = 70


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.fixture(scope="module")
def trees() -> dict[str, ast.Module]:
    return {named(path): ast.parse(path.read_text(encoding="utf-8")) for path in CODE}


def test_there_is_code_to_look_at():
    assert len(CODE) > 80


def test_package_files_are_empty():
    inits = [path for path in MODULES if path.name == "__init__.py"]
    assert len(inits) >= len(PACKAGES)
    assert [named(path) for path in inits if path.read_text(encoding="utf-8").strip()] == []


def test_migrations_are_no_package():
    """An `alembic/__init__.py` would shadow the library."""
    assert not (ROOT / "alembic" / "__init__.py").exists()


def test_no_module_is_too_long():
    lengths = {named(path): len(path.read_text(encoding="utf-8").splitlines()) for path in CODE}
    assert {name: n for name, n in lengths.items() if n > MODULE_LINES} == {}


def test_no_function_is_too_long(trees):
    found = {
        f"{name}:{node.name}": node.end_lineno - node.lineno + 1
        for name, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert len(found) > 500
    assert {name: n for name, n in found.items() if n > FUNCTION_LINES} == {}


def test_modules_say_what_lives_in_them(trees):
    assert [name for name, tree in trees.items() if len(ast.get_docstring(tree) or "") < 20] == []


def test_nothing_prints(trees):
    bad = [
        f"{name}:{node.lineno}"
        for name, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    ]
    assert bad == []


def test_only_the_database_commits(trees):
    """A commit anywhere else would leave events unnumbered and unpublished."""
    bad = [
        f"{name}:{node.lineno}"
        for name, tree in trees.items()
        if name != "core/database.py"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr == "commit"
    ]
    assert bad == []


def test_resolvers_catch_no_domain_error(trees):
    """One table turns refusals into types; a `try` in a resolver would be a second one."""
    domain = {"DomainError", "InvalidInput", "NotFound", "Forbidden", "IdempotencyConflict"}
    bad = [
        f"{name}:{node.lineno}"
        for name, tree in trees.items()
        if name.startswith("resolvers/")
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler)
        and domain
        & {n.id for n in ast.walk(node.type or ast.Constant(0)) if isinstance(n, ast.Name)}
    ]
    assert bad == []


def test_resolvers_and_types_write_no_sql(trees):
    bad = [
        f"{name}:{node.lineno}"
        for name, tree in trees.items()
        if name.startswith(("resolvers/", "schema/", "web/", "execution/"))
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for module in [getattr(node, "module", None) or node.names[0].name]
        if module.split(".")[0] in ("sqlalchemy", "sqlmodel", "asyncpg")
    ]
    assert bad == []
