// Builds the packages into their dist folders, which are committed, so that nobody needs Node to use them. With --check
// it builds elsewhere and fails if what is committed differs.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

const web = fileURLToPath(new URL('..', import.meta.url));
/** What the pages' files hold of others: their licences go with it. */
const BUNDLED = ['react', 'react-dom', 'scheduler', 'uplot'];
const check = process.argv.includes('--check');
const target = check ? mkdtempSync(join(web, 'node_modules', '.dist-')) : '';
let stale = false;

try {
  for (const name of ['core', 'react', 'dashboard']) {
    const folder = join(web, name === 'dashboard' ? 'apps' : 'packages', name);
    const committed = join(folder, 'dist');
    const out = check ? join(target, name) : committed;
    rmSync(out, { recursive: true, force: true });
    if (name === 'dashboard') await page(folder, out);
    else {
      await bundle(name, folder, out, 'index');
      if (name === 'core') await bundle(name, folder, out, 'monitor');
      declare(folder, out);
    }
    for (const file of ['style.css', 'style.css.d.ts']) {
      const path = join(folder, 'src', file);
      if (existsSync(path)) cpSync(path, join(out, file));
    }
    if (check) for (const file of differing(out, committed)) report(relative(web, join(committed, file)));
  }
} finally {
  if (check) rmSync(target, { recursive: true, force: true });
}
if (stale) process.exit(1);

/** The pages: with React in what they share, and names that don't change, so that what is committed is replaced. */
async function page(folder: string, out: string): Promise<void> {
  await build({
    configFile: false,
    root: folder,
    base: './',
    logLevel: 'warn',
    resolve: { alias: ['core', 'react'].map((name) => source(name)) },
    build: {
      outDir: out,
      emptyOutDir: false,
      target: 'es2022',
      assetsDir: '',
      cssCodeSplit: false,
      modulePreload: { polyfill: false },
      rolldownOptions: {
        input: { dashboard: join(folder, 'index.html'), gallery: join(folder, 'gallery.html') },
        output: {
          entryFileNames: '[name].js',
          chunkFileNames: '[name].js',
          assetFileNames: 'dashboard[extname]',
          codeSplitting: { groups: [{ name: 'shared', minShareCount: 2 }] },
        },
      },
    },
  });
  const licences = BUNDLED.map((name) => `${name}\n\n${readFileSync(join(web, 'node_modules', name, 'LICENSE'), 'utf8')}`);
  writeFileSync(join(out, 'licences.txt'), licences.join('\n\n'));
}

/** Our packages from their sources, so that a build doesn't depend on the one before. */
function source(name: string): { find: RegExp; replacement: string } {
  return { find: new RegExp(`^@chatsdk/${name}$`), replacement: join(web, 'packages', name, 'src', 'index.ts') };
}

/** One entry of a package: what `src` holds of it in a file, or in a folder. */
async function bundle(name: string, folder: string, out: string, part: 'index' | 'monitor'): Promise<void> {
  const entry = join(folder, 'src', part === 'index' ? 'index.ts' : join(part, 'index.ts'));
  await build({
    configFile: false,
    root: folder,
    logLevel: 'warn',
    build: {
      outDir: out,
      emptyOutDir: false,
      target: 'es2022',
      lib: { entry, formats: ['es'], fileName: () => `${part}.js` },
      rolldownOptions: {
        external: [/^react($|\/)/, '@chatsdk/core'],
        // A library's build keeps its blanks and its notes for other bundlers otherwise: "sideEffects" says it all.
        output: { minify: true, comments: { annotation: false }, banner: name === 'react' ? "'use client';" : '' },
      },
    },
  });
}

function declare(folder: string, out: string): void {
  const tsc = join(web, 'node_modules', '.bin', 'tsc');
  execFileSync(tsc, ['-p', join(folder, 'tsconfig.json'), '--outDir', out], { stdio: 'inherit' });
}

/** Files of one folder that differ from, or are missing in, the other. */
function differing(a: string, b: string): string[] {
  const list = (dir: string): string[] =>
    existsSync(dir) ? readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter((f) => statSync(join(dir, f)).isFile()) : [];
  const files = new Set([a, b].flatMap(list));
  const read = (dir: string, file: string): string => {
    const path = join(dir, file);
    return existsSync(path) ? readFileSync(path, 'utf8') : '';
  };
  return [...files].filter((file) => read(a, file) !== read(b, file)).sort();
}

function report(file: string): void {
  console.error(`${file} is stale: npm run build, and commit it`);
  stale = true;
}
