import { parse, type Expression, type Node, type ObjectExpression, type Program, type SpreadElement } from 'acorn';

/** A position in a file; both count from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** How a path is keyed: `["processes","web",0]`. */
export const placeKey = (path: readonly PropertyKey[]): string => JSON.stringify(path.map(String));

const MAX_DEPTH = 20;

/**
 * Where each key of the default export stands. Follows names to constants of the same file and looks
 * into calls with one argument, such as defineConfig; what it cannot follow it leaves out.
 * @param script JavaScript, or TypeScript whose types were blanked out, so that places are kept
 * @throws SyntaxError with `loc`
 */
export function readPlaces(script: string): Map<string, Place> {
  const program = parse(script, { ecmaVersion: 'latest', sourceType: 'module', locations: true });
  const constants = constantsOf(program);
  const places = new Map<string, Place>();
  const exported = program.body.find((node) => node.type === 'ExportDefaultDeclaration');
  if (exported !== undefined && exported.type === 'ExportDefaultDeclaration') {
    places.set(placeKey([]), placeOf(exported));
    walk(exported.declaration, [], constants, places);
  }
  return places;
}

const placeOf = (node: Node): Place => ({ line: node.loc?.start.line ?? 1, column: (node.loc?.start.column ?? 0) + 1 });

function constantsOf(program: Program): Map<string, Expression> {
  const constants = new Map<string, Expression>();
  for (const node of program.body) {
    const declaration = node.type === 'ExportNamedDeclaration' ? node.declaration : node;
    if (declaration?.type !== 'VariableDeclaration') continue;
    for (const { id, init } of declaration.declarations) {
      if (id.type === 'Identifier' && init) constants.set(id.name, init);
    }
  }
  return constants;
}

/** The literal behind names, calls with one argument and parentheses. */
function literal(node: Node, constants: ReadonlyMap<string, Expression>): Node {
  let here = node;
  for (let i = 0; i < MAX_DEPTH; i++) {
    if (isA(here, 'Identifier')) {
      const known = constants.get(here.name);
      if (known === undefined) return here;
      here = known;
    } else if (isA(here, 'CallExpression')) {
      const [argument] = here.arguments;
      if (argument === undefined || here.arguments.length !== 1) return here;
      here = argument;
    } else if (isA(here, 'ParenthesizedExpression')) {
      here = here.expression;
    } else {
      return here;
    }
  }
  return here;
}

type Known = Expression | SpreadElement | Program;
const isA = <T extends Known['type']>(node: Node, type: T): node is Extract<Known, { type: T }> => node.type === type;

function walk(
  node: Node,
  path: readonly (string | number)[],
  constants: ReadonlyMap<string, Expression>,
  places: Map<string, Place>,
): void {
  if (path.length > MAX_DEPTH) return;
  const found = literal(node, constants);
  if (isA(found, 'ArrayExpression')) {
    found.elements.forEach((element, i) => {
      if (element === null) return;
      places.set(placeKey([...path, i]), placeOf(element));
      walk(element, [...path, i], constants, places);
    });
  }
  if (isA(found, 'ObjectExpression')) walkObject(found, path, constants, places);
}

function walkObject(
  object: ObjectExpression,
  path: readonly (string | number)[],
  constants: ReadonlyMap<string, Expression>,
  places: Map<string, Place>,
): void {
  for (const property of object.properties) {
    if (property.type === 'SpreadElement') {
      walk(property.argument, path, constants, places);
      continue;
    }
    const key = keyOf(property.key, property.computed);
    if (key === undefined) continue;
    places.set(placeKey([...path, key]), placeOf(property.key));
    walk(property.value, [...path, key], constants, places);
  }
}

function keyOf(key: Expression | { readonly type: 'PrivateIdentifier' }, computed: boolean): string | undefined {
  if (key.type === 'Identifier' && !computed) return key.name;
  return key.type === 'Literal' ? String(key.value) : undefined;
}

/** The place of a path, or of the nearest parent that has one. */
export function nearestPlace(places: ReadonlyMap<string, Place>, path: readonly PropertyKey[]): Place {
  for (let length = path.length; length >= 0; length--) {
    const place = places.get(placeKey(path.slice(0, length)));
    if (place !== undefined) return place;
  }
  return { line: 1, column: 1 };
}
