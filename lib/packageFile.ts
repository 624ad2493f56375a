import path from "node:path";

/** The package's folder, in a checkout and where it is installed. */
const PACKAGE = path.dirname(import.meta.dirname);

/**
 * Path of one of the package's files from the program's folder, in which Pulumi starts its plugins too. So it
 * is the same on every machine.
 *
 * @param file a source file has the same name here as where it is built
 */
export function packageFile(file: string): string {
    const built = file.replace(/\.ts$/, path.extname(import.meta.filename));
    return path.relative(process.cwd(), path.join(PACKAGE, built)) || ".";
}
