{{/*
What a process reads: variables, and the files that credentials come in.

A credential is a dict (setting, file, secret), secret being {existingSecret, key}; its file is
/etc/bonafides/secrets/<file> and its variable, which names the file only, ends with <setting>.
*/}}
{{- define "bonafides.prefix" -}}
{{- printf "BONAFIDES_%s_" (upper .) -}}
{{- end -}}

{{/* libpq URL of a role, without its password. Takes root and role. */}}
{{- define "bonafides.databaseUrl" -}}
{{- $postgres := .root.Values.postgres -}}
{{- $url := printf "postgresql://%s@%s:%d/%s?sslmode=%s" .role $postgres.host (int $postgres.port) $postgres.database $postgres.sslMode -}}
{{- if $postgres.ca.existingSecret -}}
{{- $url = printf "%s&sslrootcert=/etc/bonafides/secrets/postgres-ca.crt" $url -}}
{{- else if eq $postgres.sslMode "verify-full" -}}
{{- $url = printf "%s&sslrootcert=system" $url -}}
{{- end -}}
{{- $url -}}
{{- end -}}

{{/* Credentials of a process as a YAML list. Takes root, values, kafka (whether it speaks to Kafka) and more (a list). */}}
{{- define "bonafides.credentials" -}}
{{- $root := .root -}}
{{- $found := list (dict "setting" "DATABASE_PASSWORD_FILE" "file" "database-password" "secret" .values.databasePassword) -}}
{{- if and .kafka (hasPrefix "SASL" $root.Values.kafka.securityProtocol) -}}
{{- $found = append $found (dict "setting" "KAFKA_SASL_PASSWORD_FILE" "file" "kafka-password" "secret" .values.kafkaPassword) -}}
{{- end -}}
{{- if and .kafka $root.Values.kafka.ca.existingSecret -}}
{{- $found = append $found (dict "setting" "KAFKA_CA_FILE" "file" "kafka-ca.crt" "secret" $root.Values.kafka.ca) -}}
{{- end -}}
{{- if $root.Values.postgres.ca.existingSecret -}}
{{- $found = append $found (dict "setting" "" "file" "postgres-ca.crt" "secret" $root.Values.postgres.ca) -}}
{{- end -}}
{{- with .values.pseudonymKey -}}
{{- if .existingSecret -}}
{{- $found = append $found (dict "setting" "PSEUDONYM_KEY_FILE" "file" "pseudonym-key" "secret" .) -}}
{{- end -}}
{{- end -}}
{{- toYaml (concat $found (default list .more)) -}}
{{- end -}}

{{/*
Variables of a process as a YAML map. Takes root, service, role, values, kafka, credentials (a list), settings (a list of
maps; the first that has a key wins) and fixed (a map by setting, which nothing overrides).
*/}}
{{- define "bonafides.environment" -}}
{{- $root := .root -}}
{{- $prefix := include "bonafides.prefix" .service -}}
{{- $found := dict -}}
{{- range $settings := .settings -}}
{{- range $key, $value := $settings -}}
{{- $name := printf "%s%s" $prefix (upper $key) -}}
{{- if not (hasKey $found $name) }}{{ $_ := set $found $name (include "bonafides.scalar" $value) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- $fixed := dict
  "ENVIRONMENT" $root.Values.environment
  "LOG_LEVEL" $root.Values.logLevel
  "DATABASE_URL" (include "bonafides.databaseUrl" (dict "root" $root "role" .role))
  "LISTEN_HOST" "0.0.0.0"
  "HEALTH_PORT" "9100"
-}}
{{- if .kafka -}}
{{- $_ := set $fixed "KAFKA_BOOTSTRAP" $root.Values.kafka.bootstrapServers -}}
{{- $_ := set $fixed "KAFKA_SECURITY_PROTOCOL" $root.Values.kafka.securityProtocol -}}
{{- if hasPrefix "SASL" $root.Values.kafka.securityProtocol -}}
{{- $_ := set $fixed "KAFKA_SASL_MECHANISM" $root.Values.kafka.saslMechanism -}}
{{- $_ := set $fixed "KAFKA_SASL_USERNAME" .values.kafkaUser -}}
{{- end -}}
{{- end -}}
{{- range .credentials -}}
{{- if .setting }}{{ $_ := set $fixed .setting (printf "/etc/bonafides/secrets/%s" .file) }}{{ end -}}
{{- end -}}
{{- range $key, $value := merge (default dict .fixed) $fixed -}}
{{- $_ := set $found (printf "%s%s" $prefix $key) $value -}}
{{- end -}}
{{- toYaml $found -}}
{{- end -}}

{{/* A setting as the text of a variable: YAML's large numbers are floats, and 1e+06 is no whole number to a service. */}}
{{- define "bonafides.scalar" -}}
{{- if and (kindIs "float64" .) (eq . (floor .)) -}}
{{- printf "%.0f" . -}}
{{- else -}}
{{- . | toString -}}
{{- end -}}
{{- end -}}

{{/* Volume of the credentials: each a file, readable by the process's group alone. Takes a list of credentials. */}}
{{- define "bonafides.secretVolume" -}}
name: secrets
projected:
  defaultMode: 0440
  sources:
  {{- range . }}
    - secret:
        name: {{ .secret.existingSecret | quote }}
        items:
          - {key: {{ .secret.key | quote }}, path: {{ .file | quote }}}
  {{- end }}
{{- end -}}
