/**
 * Bodies of the Machines API, reduced to what is used here. snake_case is Fly's, and appears only here and in
 * a machine's `config`. Source: Fly's OpenAPI document and superfly/fly-go.
 */

export interface WireApp {
    readonly id?: string;
    readonly name?: string;
    readonly status?: string;
    readonly machine_count?: number;
    readonly volume_count?: number;
    readonly organization?: { readonly name?: string; readonly slug?: string };
}

export interface WireIp {
    readonly ip: string;
    readonly region?: string | null;
    readonly shared?: boolean | null;
    readonly service_name?: string | null;
    readonly created_at?: string;
}

export interface WireVolume {
    readonly id: string;
    readonly name: string;
    readonly state: string;
    readonly size_gb: number;
    readonly region: string;
    readonly zone?: string | null;
    readonly encrypted?: boolean | null;
    readonly fstype?: string | null;
    readonly attached_machine_id?: string | null;
    readonly snapshot_retention?: number | null;
    readonly auto_backup_enabled?: boolean | null;
    readonly bytes_used?: number | null;
    /** `ok`, `unknown` or `unreachable`. */
    readonly host_status?: string | null;
    readonly created_at?: string;
}

export interface WireSnapshot {
    /** `vs_…` */
    readonly id: string;
    /** `waiting`, `running`, `created` */
    readonly status?: string;
    readonly created_at?: string;
}

export interface WireSecret {
    readonly name: string;
    readonly digest?: string;
}

/** A host name and its certificates. */
export interface WireCertificate {
    readonly hostname?: string;
    readonly acme_requested?: boolean;
    readonly configured?: boolean;
    readonly status?: string;
    readonly certificates?: readonly { readonly source?: "custom" | "fly" }[] | null;
    readonly dns_requirements?: {
        readonly a?: readonly string[] | null;
        readonly aaaa?: readonly string[] | null;
        readonly cname?: string;
        readonly acme_challenge?: { readonly name?: string; readonly target?: string };
        readonly ownership?: {
            readonly name?: string;
            readonly app_value?: string;
            readonly org_value?: string;
        };
    };
}

export interface WireMachineEvent {
    readonly id?: string;
    readonly type?: string;
    readonly status?: string;
    readonly source?: string;
    /** Milliseconds since 1970. */
    readonly timestamp?: number;
    readonly request?: {
        readonly exit_event?: {
            readonly exit_code?: number;
            readonly guest_exit_code?: number;
            readonly signal?: number;
            readonly oom_killed?: boolean;
            /** Whether someone requested the stop. */
            readonly requested_stop?: boolean;
            readonly error?: string;
        };
    } | null;
}

export interface WireCheck {
    readonly name?: string;
    readonly status?: string;
    readonly output?: string;
}

export interface WireMachine {
    readonly id: string;
    readonly name?: string;
    readonly state: string;
    readonly region?: string;
    /** ULID that changes with each version of the machine. */
    readonly instance_id?: string;
    /** Missing in the OpenAPI document; fly-go prefers it to `instance_id`. */
    readonly version?: string | number;
    readonly private_ip?: string;
    readonly image_ref?: { readonly digest?: string };
    /** Absent while the machine's host cannot be reached. */
    readonly config?: MachineConfig | null;
    /** The part of the config that Fly knows while the host is unreachable. */
    readonly incomplete_config?: Partial<MachineConfig> | null;
    readonly host_status?: string;
    readonly cordoned?: boolean;
    readonly events?: readonly WireMachineEvent[] | null;
    readonly checks?: readonly WireCheck[] | null;
    readonly created_at?: string;
    readonly updated_at?: string;
}

export interface WireLease {
    readonly nonce?: string;
    /** Seconds since 1970. */
    readonly expires_at?: number;
    readonly owner?: string;
}

/** Result of a command in a machine. */
export interface WireExec {
    readonly exit_code?: number;
    readonly exit_signal?: number;
    readonly stdout?: string;
    readonly stderr?: string;
}

/** Durations are Go's: "15s", "1m30s". Memory is in MB. */
export interface MachineConfig {
    readonly image: string;
    readonly env?: Readonly<Record<string, string>>;
    readonly guest?: MachineGuest;
    readonly mounts?: readonly MachineMount[];
    readonly services?: readonly MachineService[];
    readonly checks?: Readonly<Record<string, MachineCheck>>;
    readonly restart?: { readonly policy?: string; readonly max_retries?: number };
    readonly stop_config?: { readonly signal?: string; readonly timeout?: string };
    readonly files?: readonly MachineFile[];
    readonly init?: {
        readonly exec?: readonly string[];
        readonly entrypoint?: readonly string[];
        readonly cmd?: readonly string[];
        readonly tty?: boolean;
        readonly swap_size_mb?: number;
    };
    readonly metrics?: { readonly port: number; readonly path: string };
    readonly metadata?: Readonly<Record<string, string>>;
    readonly auto_destroy?: boolean;
}

export interface MachineGuest {
    readonly cpu_kind: string;
    readonly cpus: number;
    readonly memory_mb: number;
}

export interface MachineMount {
    readonly volume: string;
    readonly path: string;
    readonly extend_threshold_percent?: number;
    readonly add_size_gb?: number;
    readonly size_gb_limit?: number;
}

export interface MachineService {
    readonly protocol: string;
    readonly internal_port: number;
    readonly ports?: readonly {
        readonly port?: number;
        readonly start_port?: number;
        readonly end_port?: number;
        readonly handlers?: readonly string[];
        readonly force_https?: boolean;
        readonly tls_options?: {
            readonly alpn?: readonly string[];
            readonly versions?: readonly string[];
        };
        readonly proxy_proto_options?: { readonly version?: string };
    }[];
    readonly checks?: readonly MachineCheck[];
    readonly concurrency?: {
        readonly type?: string;
        readonly soft_limit?: number;
        readonly hard_limit?: number;
    };
    /** "off", "stop" or "suspend"; answers have false and true for the first two. */
    readonly autostop?: string | boolean;
    readonly autostart?: boolean;
    readonly min_machines_running?: number;
}

export interface MachineCheck {
    readonly type?: string;
    readonly port?: number;
    readonly kind?: string;
    readonly interval?: string;
    readonly timeout?: string;
    readonly grace_period?: string;
    readonly method?: string;
    readonly path?: string;
    readonly protocol?: string;
}

export interface MachineFile {
    readonly guest_path: string;
    readonly raw_value?: string;
    /** Name of an app secret whose value is base64. */
    readonly secret_name?: string;
    readonly mode?: number;
}
