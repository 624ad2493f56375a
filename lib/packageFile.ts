import path from "node:path";

/** The package's folder, in a checkout and where it is installed. */
const PACKAGE = path.dirname(import.meta.dirname);

/**
 * Path of a file of the package, relative to the program's folder, where Pulumi also starts its plugins. So it
 * is the same on every machine.
 *
 * @param file path in the sources; `.ts` becomes the built extension in an installed package
 */
export function packageFile(file: string): string {
    const built = file.replace(/\.ts$/, path.extname(import.meta.filename));
    return path.relative(process.cwd(), path.join(PACKAGE, built)) || ".";
}
