import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";

/** Finds a static busybox: Debian has a package, which root may install without asking. */
export function busybox(): string {
    const places = ["/bin/busybox", "/usr/bin/busybox"];
    const find = () => places.find((path) => existsSync(path));
    if (find() === undefined && process.getuid?.() === 0) {
        execFileSync("apt-get", ["install", "-y", "busybox-static"], { stdio: "ignore" });
    }
    const path = find();
    if (path === undefined) throw new Error("the tests need the package busybox-static");
    return path;
}
