import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/*
 * What the package sources of a Debian system say (sources.list(5), deb822(5)): enabled binary sources, one entry for
 * each address: `{ uri, suites, signedBy }`. `signedBy` is the path of a keyring; a key that is written out counts as none.
 */

const isPath = (text) => (text?.startsWith('/') ? text : undefined);
const isOff = (text) => ['no', 'false', 'without', 'off', 'disable'].includes(text?.toLowerCase());

const readLine = (line) => {
  const match = /^deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)/.exec(line.trim());
  if (match === null) return [];
  const signedBy = /[[\s]signed-by=([^\s\]]+)/.exec(line)?.[1];
  return [{ uri: match[2], suites: [match[3]], signedBy: isPath(signedBy) }];
};

/** The fields of a stanza, names in lower case; lines that begin with a space go on with the field above. */
const fieldsOf = (stanza) => {
  const fields = new Map();
  let last;
  for (const line of stanza) {
    const begun = /^([^\s:]+):(.*)$/.exec(line);
    if (begun !== null) {
      last = begun[1].toLowerCase();
      fields.set(last, begun[2].trim());
    } else if (last !== undefined) fields.set(last, `${fields.get(last)} ${line.trim()}`.trim());
  }
  return fields;
};

const readStanza = (stanza) => {
  const fields = fieldsOf(stanza);
  const words = (name) => (fields.get(name) ?? '').split(/\s+/).filter((word) => word !== '');
  if (!words('types').includes('deb') || isOff(fields.get('enabled'))) return [];
  const signedBy = isPath(fields.get('signed-by'));
  return words('uris').map((uri) => ({ uri, suites: words('suites'), signedBy }));
};

/** The sources in the text of a `.sources` file (deb822) or of a `.list` file. */
export const readSources = (text, isDeb822) => {
  const lines = text.split('\n').filter((line) => !line.trimStart().startsWith('#'));
  if (!isDeb822) return lines.flatMap(readLine);
  const stanzas = [[]];
  for (const line of lines) {
    if (line.trim() === '') stanzas.push([]);
    else stanzas.at(-1).push(line);
  }
  return stanzas.flatMap(readStanza);
};

/** Every source of a system whose files are in `folder` (/etc/apt), in the order in which apt reads them. */
export const allSources = (folder) => {
  const parts = join(folder, 'sources.list.d');
  const names = existsSync(parts) ? readdirSync(parts).sort() : [];
  const read = (path) =>
    existsSync(path) ? readSources(readFileSync(path, 'utf8'), path.endsWith('.sources')) : [];
  return [
    ...read(join(folder, 'sources.list')),
    ...names.filter((name) => /\.(list|sources)$/.test(name)).flatMap((name) => read(join(parts, name))),
  ];
};

/** The source that a release comes from over the network; undefined where there is none. */
export const mirrorOf = (sources, release) =>
  sources.find(({ uri, suites }) => suites.includes(release) && /^(https?|mirror\+\w+|mirror):/.test(uri));
