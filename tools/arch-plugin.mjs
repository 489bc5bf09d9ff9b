/**
 * The architecture, as lint rules. What is allowed stands in architecture.json; this file only reads it.
 *
 *   layering  imports of packages/towpath/src point down the layers, through index.ts, never sideways
 *   packages  packages import of each other only what is listed
 *   io        only listed folders import what touches the world
 *   clock     only listed files read the wall clock
 *   env       only listed folders read process.env
 *   reasons   a disabled rule says why
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

// The self-test points this at its own copy.
const root = process.env['TOWPATH_ARCH_ROOT'] ?? path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const architecture = JSON.parse(readFileSync(path.join(root, 'architecture.json'), 'utf8'));
const rank = new Map(architecture.layers.flatMap((names, depth) => names.map((name) => [name, depth])));

const TEST = /\.test\.ts$|[\\/]testing(-[\w-]+)?\.ts$|[\\/]testing[\\/]/;
const isTest = (file) => TEST.test(file);
const relative = (file) => path.relative(root, file).split(path.sep).join('/');

/** Where a file of packages/towpath/src stands: its module and the rest of its path. */
function place(file) {
  const match = /^packages\/towpath\/src\/(?:([^/]+)\/)?(.+)$/.exec(relative(file));
  return match === null
    ? undefined
    : { module: match[1], rest: match[2], within: match[1] ? `${match[1]}/${match[2]}` : match[2] };
}

const packageOf = (file) => /^packages\/([^/]+)\//.exec(relative(file))?.[1];
const allowed = (within, list) => list.some((entry) => within === entry || within.startsWith(`${entry}/`));

/** Calls `look(node, specifier, typesOnly)` for every way in which one file can name another. */
function eachImport(look) {
  const literal = (source) => (typeof source?.value === 'string' ? source.value : undefined);
  const typesOnly = (node) =>
    node.importKind === 'type' ||
    node.exportKind === 'type' ||
    (node.specifiers?.length > 0 &&
      node.specifiers.every((each) => each.importKind === 'type' || each.exportKind === 'type'));
  const visit = (node) => {
    const specifier = literal(node.source);
    if (specifier !== undefined) look(node, specifier, typesOnly(node));
  };
  return {
    ImportDeclaration: visit,
    ExportNamedDeclaration: visit,
    ExportAllDeclaration: visit,
    ImportExpression: visit,
    TSImportType(node) {
      const specifier = literal(node.source) ?? literal(node.argument) ?? literal(node.argument?.literal);
      if (specifier !== undefined) look(node, specifier, true);
    },
    CallExpression(node) {
      const callee = node.callee;
      const isMock =
        callee.type === 'MemberExpression' && callee.object.name === 'vi' && /mock/i.test(callee.property.name ?? '');
      if (callee.name === 'require' || isMock) {
        const specifier = literal(node.arguments[0]);
        if (specifier !== undefined) look(node, specifier, false);
      }
    },
  };
}

const layering = {
  create(context) {
    const here = place(context.filename);
    if (here === undefined) return {};
    const say = (node, message) => context.report({ node, message });
    const atTop = {
      Program(node) {
        if (here.module === undefined) say(node, 'no files directly in src/: put it into the folder of its module');
        else if (!rank.has(here.module)) say(node, `${here.module} is not in architecture.json: give it a layer there`);
        else if (architecture.modules[here.module] === undefined)
          say(node, `${here.module} has no sentence in architecture.json`);
      },
    };
    const look = (node, specifier) => {
      if (/^(towpath|@towpath\/towpath)(\/|$)/.test(specifier))
        say(node, 'name files of this package by their relative path');
      if (!specifier.startsWith('.')) return;
      const there = place(path.resolve(path.dirname(context.filename), specifier));
      if (there === undefined || there.module === here.module) return;
      const [from, to] = [here.module, there.module];
      if (to === undefined) say(node, 'nothing is directly in src/');
      else if (!rank.has(to)) say(node, `${to} is not in architecture.json: give it a layer there`);
      else if (rank.get(to) >= (rank.get(from) ?? -1)) {
        say(
          node,
          `${from} may not import ${to}: imports point down the layers. Declare what you need as a small interface and let main/ connect it.`,
        );
      } else if (there.rest !== 'index.ts' && !(isTest(context.filename) && isTest(`/${there.rest}`))) {
        say(node, `enter ${to} through its index.ts, not ${there.rest}`);
      }
    };
    return { ...eachImport(look), ...atTop };
  },
};

const packages = {
  create(context) {
    const from = packageOf(context.filename);
    const look = (node, specifier, typesOnly) => {
      const say = (message) => context.report({ node, message });
      const target = specifier.startsWith('.') ? path.resolve(path.dirname(context.filename), specifier) : undefined;
      const to = target === undefined ? /^@towpath\/([^/]+)/.exec(specifier)?.[1] : packageOf(target);
      if (to === undefined || to === from) return;
      if (from === undefined) {
        // Proofs, tools and examples use what users use, or the doors that modules have.
        const there = target === undefined ? undefined : place(target);
        if (there !== undefined && there.rest !== 'index.ts' && there.module !== 'main' && !isTest(`/${there.rest}`)) {
          say(`enter ${there.module} through its index.ts or testing.ts, not ${there.rest}`);
        }
        // Their tests need a database, and take it from a module's testing.ts.
        if (relative(context.filename).startsWith('examples/') && target !== undefined && !isTest(context.filename)) {
          say('an example installs our packages as any user would; it does not reach into them');
        }
        return;
      }
      const entry = (architecture.packages[from] ?? []).find(({ name }) => name === to);
      if (entry === undefined) return say(`the package ${from} may not import ${to}`);
      if (target !== undefined) return say(`name @towpath/${to}, not a path into it`);
      if (entry.types && !typesOnly && !isTest(context.filename))
        say(`${from} may import only types of ${to} (import type)`);
    };
    return eachImport(look);
  },
};

const io = {
  create(context) {
    const here = place(context.filename);
    if (here === undefined || isTest(context.filename) || allowed(here.within, architecture.io.allowed)) return {};
    return eachImport((node, specifier, typesOnly) => {
      const name = specifier.startsWith('node:')
        ? specifier
        : specifier
            .split('/')
            .slice(0, specifier.startsWith('@') ? 2 : 1)
            .join('/');
      const touches = architecture.io.modules.includes(name) || architecture.io.modules.includes(`node:${name}`);
      if (touches && !typesOnly) {
        context.report({
          node,
          message: `${here.module} may not import ${specifier}: ask system for it (architecture.json, io)`,
        });
      }
    });
  },
};

const clock = {
  create(context) {
    const here = place(context.filename);
    if (here === undefined || isTest(context.filename) || allowed(here.within, architecture.clock.allowed)) return {};
    const message = 'only system/clock.ts reads the wall clock: take a Clock, or its now(), from your caller';
    return {
      MemberExpression(node) {
        if (node.object.name === 'Date' && node.property.name === 'now') context.report({ node, message });
      },
      NewExpression(node) {
        if (node.callee.name === 'Date' && node.arguments.length === 0) context.report({ node, message });
      },
    };
  },
};

const env = {
  create(context) {
    const here = place(context.filename);
    if (here === undefined || isTest(context.filename) || allowed(here.within, architecture.environment.allowed))
      return {};
    return {
      MemberExpression(node) {
        const key = node.property.name ?? node.property.value;
        if (node.object.name === 'process' && key === 'env') {
          context.report({
            node,
            message: 'only config/, main/ and process entries read process.env: take the value as a parameter',
          });
        }
      },
    };
  },
};

const reasons = {
  create(context) {
    return {
      Program() {
        for (const comment of context.sourceCode.getAllComments()) {
          if (/^\s*(oxlint|eslint)-disable/.test(comment.value) && !/\s--\s+\S.{7,}/s.test(comment.value)) {
            context.report({ loc: comment.loc, message: 'say why the rule is disabled: `-- reason`' });
          }
          if (/^\s*@ts-(ignore|nocheck)/.test(comment.value)) {
            context.report({
              loc: comment.loc,
              message: 'use @ts-expect-error with a reason: it fails when it is no longer needed',
            });
          }
        }
      },
    };
  },
};

export default { meta: { name: 'arch' }, rules: { layering, packages, io, clock, env, reasons } };
