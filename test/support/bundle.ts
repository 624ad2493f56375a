import { gunzipSync } from "node:zlib";

/** Reads the files of a bundle, name → text, independently of the product. */
export function filesIn(bundle: Buffer): [name: string, text: string][] {
    const lines = gunzipSync(bundle).toString().split("\n");
    const files: [string, string][] = [];
    for (let at = 0; at < lines.length - 1;) {
        const [name, count] = lines[at]!.split(" ");
        const end = at + 1 + Number(count);
        files.push([name!, `${lines.slice(at + 1, end).join("\n")}\n`]);
        at = end;
    }
    return files;
}
