import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { basename } from "node:path";

/** The kernel's code for a listening socket. */
const LISTENS = "0A";

/**
 * Names the program that listens on a port of an IPv4 address (with or without `::ffff:`), or of all
 * addresses, such as `python3 (process 4711)`. Works on Linux, for processes that this user may
 * inspect.
 */
export function portHolder(ip: string, port: number): string | undefined {
    const at = hexOf(ip);
    const inodes = new Set(["tcp", "tcp6"].flatMap((table) => listeners(table, at, port)));
    const pids = (attempt(() => readdirSync("/proc")) ?? []).filter((name) => /^\d+$/.test(name));
    const pid = pids.find((one) => socketsOf(one).some((inode) => inodes.has(inode)));
    const command = attempt(() => readFileSync(`/proc/${pid}/cmdline`, "utf8"))?.split("\0")[0];
    return command ? `${basename(command)} (process ${pid})` : undefined;
}

/** Formats an address as the kernel's tables do, last byte first. */
function hexOf(ip: string): string {
    const bytes = ip.replace(/^::ffff:/, "").split(".");
    return Buffer.from(bytes.map(Number).reverse()).toString("hex").toUpperCase();
}

/** Finds inodes of the sockets that listen on the port, at the address or at all of them. */
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

/** Returns undefined if a look fails: processes end, close files, or belong to others. */
function attempt<T>(look: () => T): T | undefined {
    try {
        return look();
    } catch {
        return undefined;
    }
}
