import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { basename } from "node:path";

/** The kernel's number for a socket that listens. */
const LISTENS = "0A";

/**
 * Names the program that listens on a port of an IPv4 address (`::ffff:` before it or not), or of all, such as
 * `python3 (process 4711)`. It is known on Linux, of programs that this user may look into.
 */
export function portHolder(ip: string, port: number): string | undefined {
    const at = hexOf(ip);
    const inodes = new Set(["tcp", "tcp6"].flatMap((table) => listeners(table, at, port)));
    const pids = (attempt(() => readdirSync("/proc")) ?? []).filter((name) => /^\d+$/.test(name));
    const pid = pids.find((one) => socketsOf(one).some((inode) => inodes.has(inode)));
    const command = attempt(() => readFileSync(`/proc/${pid}/cmdline`, "utf8"))?.split("\0")[0];
    return command ? `${basename(command)} (process ${pid})` : undefined;
}

/** As the kernel's tables have it: the last byte first. */
function hexOf(ip: string): string {
    const bytes = ip.replace(/^::ffff:/, "").split(".");
    return Buffer.from(bytes.map(Number).reverse()).toString("hex").toUpperCase();
}

/** Inodes of the sockets that listen on the port, at the address or at all. */
function listeners(table: string, at: string, port: number): string[] {
    const rows = attempt(() => readFileSync(`/proc/net/${table}`, "utf8"))?.split("\n") ?? [];
    return rows.slice(1).flatMap((row) => {
        const fields = row.trim().split(/\s+/);
        const [, local, , state] = fields;
        const [address = "", hexPort = ""] = local?.split(":") ?? [];
        const listens = state === LISTENS && parseInt(hexPort, 16) === port;
        const there = address.endsWith(at) || /^0+$/.test(address);
        return listens && there && fields[9] !== undefined ? [fields[9]] : [];
    });
}

function socketsOf(pid: string): string[] {
    const found = attempt(() => readdirSync(`/proc/${pid}/fd`)) ?? [];
    return found.flatMap((fd) => {
        const target = attempt(() => readlinkSync(`/proc/${pid}/fd/${fd}`)) ?? "";
        return /^socket:\[(\d+)\]$/.exec(target)?.[1] ?? [];
    });
}

/** Undefined where it fails: processes end, close files, and belong to others. */
function attempt<T>(look: () => T): T | undefined {
    try {
        return look();
    } catch {
        return undefined;
    }
}
