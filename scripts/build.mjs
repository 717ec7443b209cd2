// Bundles the program into dist/cli.js, with what it imports lazily in dist/chunks/, and the sandbox's servers into one
// file each in dist/sandbox/. The same sources give the same bytes. usage: node scripts/build.mjs [output folder]
import { readdir, rm } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const outdir = resolve(process.argv[2] ?? join(root, 'dist'));

/** CommonJS packages look for these in the middle of what is an ES module now. */
const banner = [
  "import { createRequire as bundleCreateRequire } from 'node:module';",
  'const require = bundleCreateRequire(import.meta.url);',
  'const bundleFile = import.meta.filename;',
  'const bundleFolder = import.meta.dirname;',
].join('\n');

/** zod would compile a parser for each schema: that pays where many things are parsed, and here each is parsed once. */
const jitless = 'globalThis.__zod_globalConfig = { jitless: true };';

/**
 * What packages load at their start and this program never comes to. It is more than they are themselves, and every run
 * would read it. Of dockerode and docker-modem: SSH to an Engine elsewhere (such an endpoint is refused) and BuildKit
 * sessions (images are built by the docker command). Of acme-client: its transport, in whose place is one of ours
 * (src/acme/renewal/transport.ts), and its older cryptography, kept for others.
 */
const unused = [
  ['docker-modem', './ssh'],
  ['dockerode', './session'],
  ['acme-client', './axios'],
  ['acme-client', './crypto/forge'],
];
const withoutUnused = {
  name: 'without-unused',
  setup(builder) {
    builder.onResolve({ filter: /^\.\/(ssh|session|axios|crypto\/forge)$/ }, ({ path, importer }) => {
      const from = unused.find(
        ([name, file]) => file === path && importer.includes(`/node_modules/${name}/`),
      );
      return from === undefined ? undefined : { path: `${from[0]}/${path}`, namespace: 'unused' };
    });
    builder.onLoad({ filter: /.*/, namespace: 'unused' }, ({ path }) => ({
      contents: `module.exports = () => { throw new Error('${path} is not part of this program'); };`,
    }));
  },
};

const common = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  target: 'node20.19',
  format: 'esm',
  sourcemap: 'linked',
  metafile: true,
  logLevel: 'warning',
  plugins: [withoutUnused],
  // An optional accelerator of pg: compiled code, tried inside a try block and not needed.
  external: ['pg-native', '*.node'],
  define: { __filename: 'bundleFile', __dirname: 'bundleFolder' },
};

/** What an earlier build left in a folder of ours and this one did not write. */
const removeStale = async (folder, written) => {
  for (const name of await readdir(folder).catch(() => [])) {
    const path = join(folder, name);
    if (!written.has(relative(root, path))) await rm(path, { recursive: true });
  }
};

const results = await Promise.all([
  build({
    ...common,
    entryPoints: { cli: 'src/cli.ts' },
    outdir,
    splitting: true,
    chunkNames: 'chunks/[name]-[hash]',
    banner: { js: `${jitless}\n${banner}` },
  }),
  build({
    ...common,
    entryPoints: {
      cloudflare: 'sandbox/cloudflare/main.ts',
      netbird: 'sandbox/netbird/main.ts',
      'pocket-id': 'sandbox/pocket-id/main.ts',
    },
    outdir: join(outdir, 'sandbox'),
    outExtension: { '.js': '.mjs' },
    banner: { js: banner },
  }),
]).catch(() => {
  // esbuild has said what is wrong, and where.
  process.exit(1);
});
const written = new Set(results.flatMap((result) => Object.keys(result.metafile.outputs)));
await removeStale(join(outdir, 'chunks'), written);
await removeStale(join(outdir, 'sandbox'), written);
