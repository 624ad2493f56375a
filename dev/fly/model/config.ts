/**
 * Machine config as sent over the wire (snake_case), limited to what this server acts on. Other
 * properties are kept and echoed.
 */
export interface MachineConfig {
    image: string;
    env?: Record<string, string>;
    metadata?: Record<string, string>;
    auto_destroy?: boolean;
    schedule?: string;
    guest?: Guest;
    init?: Init;
    mounts?: Mount[];
    services?: Service[];
    checks?: Record<string, Check>;
    restart?: { policy?: string; max_retries?: number };
    stop_config?: { signal?: string; timeout?: string | number };
    files?: GuestFile[];
    processes?: Process[];
    dns?: Record<string, unknown>;
    [other: string]: unknown;
}

export interface Guest {
    cpu_kind?: string;
    cpus?: number;
    memory_mb?: number;
    kernel_args?: string[];
    [other: string]: unknown;
}

export interface Init {
    exec?: string[] | null;
    entrypoint?: string[] | null;
    cmd?: string[] | null;
    tty?: boolean;
    swap_size_mb?: number;
    [other: string]: unknown;
}

export interface Mount {
    volume?: string;
    name?: string;
    path: string;
    size_gb?: number;
    encrypted?: boolean;
    extend_threshold_percent?: number;
    add_size_gb?: number;
    size_gb_limit?: number;
}

export interface Port {
    port?: number;
    start_port?: number;
    end_port?: number;
    handlers?: string[];
    force_https?: boolean;
    tls_options?: { alpn?: string[]; versions?: string[]; default_self_signed?: boolean };
    proxy_proto_options?: { version?: string };
    [other: string]: unknown;
}

export interface Service {
    protocol: string;
    internal_port: number;
    ports?: Port[];
    checks?: Check[];
    concurrency?: { type?: string; soft_limit?: number; hard_limit?: number };
    autostart?: boolean;
    autostop?: string | boolean;
    min_machines_running?: number;
    [other: string]: unknown;
}

export interface Check {
    type?: string;
    port?: number;
    kind?: string;
    interval?: string | number;
    timeout?: string | number;
    grace_period?: string | number;
    method?: string;
    path?: string;
    protocol?: string;
    headers?: { name: string; values: string[] }[];
    tls_skip_verify?: boolean;
    tls_server_name?: string;
}

export interface GuestFile {
    guest_path: string;
    raw_value?: string;
    secret_name?: string;
    mode?: number;
}

export interface Process {
    exec?: string[];
    entrypoint?: string[];
    cmd?: string[];
    env?: Record<string, string>;
    user?: string;
    secrets?: { env_var: string; name?: string }[];
    ignore_app_secrets?: boolean;
}

/** Fly's smallest machine, used if a config names no guest. */
export const DEFAULT_GUEST = { cpu_kind: "shared", cpus: 1, memory_mb: 256 } as const;
/** Fly's default stop: SIGINT, then a kill after five seconds. */
export const DEFAULT_STOP = { signal: "SIGINT", timeoutMs: 5000 } as const;
/** Fly's default restart policy. */
export const DEFAULT_RESTART = { policy: "on-failure", max_retries: 10 } as const;
