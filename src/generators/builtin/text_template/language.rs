//! The part of the Jinja language that templates may use.
//!
//! The engine counts instructions, not memory: one `a ~ a` doubles a text, and forty of them fill
//! any machine. So whatever makes large values from small ones is refused before anything runs:
//! joining and repeating texts by operators, lists and maps of anything but constants, slices, and
//! blocks whose output is captured. Filters do the same within a budget.

use minijinja::{
    machinery::{
        Span,
        ast::{BinOpKind, CallArg, Expr, Stmt, UnaryOpKind},
        parse,
    },
    syntax::SyntaxConfig,
};

/// Expressions and statements may stand this deep inside one another.
const MAX_DEPTH: usize = 100;

/// The usual delimiters; a line end at the end of a template is part of the text.
pub(super) fn syntax() -> SyntaxConfig {
    SyntaxConfig::builder().keep_trailing_newline(true).build().unwrap_or_default()
}

/// Refuses a template that is wrong or uses what it may not; the message is for the user.
pub(super) fn check(template: &str) -> Result<(), String> {
    let tree = parse(template, "template", syntax()).map_err(|error| super::explain(&error))?;
    statement(&tree, 0)
}

fn refuse<T>(span: Span, reason: &str) -> Result<T, String> {
    Err(format!("Template, line {}: {reason}", span.start_line))
}

fn statements(all: &[Stmt<'_>], depth: usize) -> Result<(), String> {
    all.iter().try_for_each(|one| statement(one, depth + 1))
}

fn statement(stmt: &Stmt<'_>, depth: usize) -> Result<(), String> {
    if depth > MAX_DEPTH {
        return Err("Template: blocks stand too deep inside one another".to_owned());
    }
    match stmt {
        Stmt::Template(s) => statements(&s.children, depth),
        Stmt::EmitExpr(s) => expression(&s.expr, 0),
        Stmt::EmitRaw(_) => Ok(()),
        Stmt::ForLoop(s) => {
            if s.recursive {
                return refuse(s.span(), "loops cannot be recursive");
            }
            expression(&s.iter, 0)?;
            s.filter_expr.iter().try_for_each(|filter| expression(filter, 0))?;
            statements(&s.body, depth)?;
            statements(&s.else_body, depth)
        }
        Stmt::IfCond(s) => {
            expression(&s.expr, 0)?;
            statements(&s.true_body, depth)?;
            statements(&s.false_body, depth)
        }
        Stmt::WithBlock(s) => {
            s.assignments.iter().try_for_each(|(_, value)| expression(value, 0))?;
            statements(&s.body, depth)
        }
        Stmt::Set(s) => expression(&s.expr, 0),
        Stmt::SetBlock(s) => refuse(s.span(), "blocks that capture text are not available"),
        Stmt::FilterBlock(s) => refuse(s.span(), "blocks that capture text are not available"),
        Stmt::AutoEscape(s) => refuse(s.span(), "autoescape is not available: texts are plain"),
        Stmt::Do(s) => refuse(s.span(), "do is not available"),
        // Crates share features: whatever another one may turn on is refused too.
        #[expect(unreachable_patterns, reason = "depends on the features of minijinja")]
        _ => Err("Template: it uses a block that is not available".to_owned()),
    }
}

fn expression(expr: &Expr<'_>, depth: usize) -> Result<(), String> {
    let span = expr.span();
    if depth > MAX_DEPTH {
        return refuse(span, "the expression is too long");
    }
    let below = |expr: &Expr<'_>| expression(expr, depth + 1);
    match expr {
        Expr::Var(_) | Expr::Const(_) => Ok(()),
        Expr::UnaryOp(e) => below(&e.expr),
        Expr::BinOp(e) => {
            operator(e.op, &e.left, &e.right, span)?;
            below(&e.left)?;
            below(&e.right)
        }
        Expr::Compare(e) => {
            below(&e.expr)?;
            e.ops.iter().try_for_each(|op| below(&op.expr))
        }
        Expr::IfExpr(e) => {
            below(&e.test_expr)?;
            below(&e.true_expr)?;
            e.false_expr.iter().try_for_each(below)
        }
        Expr::Filter(e) => {
            e.expr.iter().try_for_each(below)?;
            arguments(&e.args, depth, span)
        }
        Expr::Test(e) => {
            below(&e.expr)?;
            arguments(&e.args, depth, span)
        }
        Expr::GetAttr(e) => below(&e.expr),
        Expr::GetItem(e) => {
            below(&e.expr)?;
            below(&e.subscript_expr)
        }
        Expr::Call(e) => {
            below(&e.expr)?;
            arguments(&e.args, depth, span)
        }
        Expr::List(e) => constants(&e.items, span),
        Expr::Tuple(e) => constants(&e.items, span),
        Expr::Map(_) => refuse(span, "maps are not available: use values"),
        Expr::Slice(_) => refuse(span, "slices are not available: use the filter truncate"),
    }
}

fn arguments(all: &[CallArg<'_>], depth: usize, span: Span) -> Result<(), String> {
    all.iter().try_for_each(|argument| match argument {
        CallArg::Pos(expr) | CallArg::Kwarg(_, expr) => expression(expr, depth + 1),
        CallArg::PosSplat(_) | CallArg::KwargSplat(_) => {
            refuse(span, "arguments cannot be unpacked")
        }
    })
}

fn constants(items: &[Expr<'_>], span: Span) -> Result<(), String> {
    if items.iter().all(|item| matches!(item, Expr::Const(_))) {
        return Ok(());
    }
    refuse(span, "lists may only hold constants")
}

fn operator(op: BinOpKind, left: &Expr<'_>, right: &Expr<'_>, span: Span) -> Result<(), String> {
    match op {
        BinOpKind::Concat => {
            refuse(span, "~ is not available: write the values side by side, {{ a }}{{ b }}")
        }
        // The sum of a number and anything else than a number is an error in the engine.
        BinOpKind::Add if !is_number(left, 0) && !is_number(right, 0) => refuse(
            span,
            "+ only adds numbers: write n|int or n|float, and texts side by side, {{ a }}{{ b }}",
        ),
        // A text times a number would be repeated.
        BinOpKind::Mul if !(is_number(left, 0) && is_number(right, 0)) => {
            refuse(span, "* only multiplies numbers: write n|int or n|float")
        }
        _ => Ok(()),
    }
}

/// Whether an expression is a number for certain, if it can be computed at all.
fn is_number(expr: &Expr<'_>, depth: usize) -> bool {
    if depth > MAX_DEPTH {
        return false;
    }
    match expr {
        Expr::Const(e) => e.value.is_number(),
        Expr::UnaryOp(e) => matches!(e.op, UnaryOpKind::Neg),
        Expr::Filter(e) => {
            matches!(e.name, "int" | "float" | "abs" | "round" | "length" | "wordcount")
        }
        Expr::BinOp(e) => match e.op {
            BinOpKind::Sub
            | BinOpKind::Div
            | BinOpKind::FloorDiv
            | BinOpKind::Rem
            | BinOpKind::Pow => true,
            BinOpKind::Add => is_number(&e.left, depth + 1) || is_number(&e.right, depth + 1),
            BinOpKind::Mul => is_number(&e.left, depth + 1) && is_number(&e.right, depth + 1),
            _ => false,
        },
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_may_be_computed_and_texts_may_not() {
        for good in [
            "{{ n + 1 }}",
            "{{ 2 * (n|int) }}",
            "{{ (n - 1) * (n|length) }}",
            "{{ n / m }}",
            "{{ [1, 'a'] }}",
            "{{ n + 1 + m }}",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in [
            "{{ a ~ b }}",
            "{{ a + b }}",
            "{{ 2 * a }}",
            "{{ a + 1 * a }}",
            "{{ 1|default(a) + b }}",
            "{{ [a] }}",
            "{{ [[1]] }}",
            "{{ {'k': 1} }}",
            "{{ a[1:] }}",
            "{{ f(a ~ a) }}",
            "{{ a|join(b ~ b) }}",
            "{{ x if a ~ a else y }}",
            "{% for x in y if a ~ a %}{% endfor %}",
            "{% for x in y recursive %}{% endfor %}",
            "{% with b = a ~ a %}{% endwith %}",
            "{% filter upper %}{% endfilter %}",
            "{% set x = a[b ~ b] %}",
            "{{ a is odd(b ~ b) }}",
            "{{ 1 < a ~ a }}",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
