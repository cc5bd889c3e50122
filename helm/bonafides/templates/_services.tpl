{{/* Settings that worker and scoring API share: the chains are those that are read, so that the two never differ. */}}
{{- define "bonafides.scoringFixed" -}}
{{- $chains := list -}}
{{- range .Values.ingest.chains }}{{ $chains = append $chains (int64 .chainId | toString) }}{{ end -}}
CHAIN_IDS: {{ join "," $chains | quote }}
{{- end -}}

{{/* Settings that issuer, publisher and attestation API share. */}}
{{- define "bonafides.attestationFixed" -}}
{{- $attestation := .Values.attestation -}}
{{- $models := list -}}
{{- range $id, $class := $attestation.allowedModels }}{{ $models = append $models (printf "%s=%s" $id $class) }}{{ end -}}
ISSUER_NAME: {{ $attestation.issuerName | quote }}
CHAIN_ID: {{ int64 $attestation.chainId | toString | quote }}
REGISTRY: {{ $attestation.registry | quote }}
ALLOWED_MODELS: {{ join "," $models | quote }}
CONSENT_MODE: {{ .Values.consentMode | quote }}
{{- end -}}

{{/* Issuer and publisher: one pod, one key, a node. Takes root, component, role, values, args and key (`ATTESTER` or `PUBLISHER`). */}}
{{- define "bonafides.keyHolder" -}}
{{- $fixed := include "bonafides.attestationFixed" .root | fromYaml -}}
{{- $credentials := list
  (dict "setting" (printf "%s_KEYSTORE_FILE" .key) "file" "keystore.json" "secret" .values.keystore)
  (dict "setting" (printf "%s_PASSWORD_FILE" .key) "file" "keystore-password" "secret" .values.keystorePassword)
-}}
{{- if .root.Values.attestation.rpc.url -}}
{{- $_ := set $fixed "RPC_URL" .root.Values.attestation.rpc.url -}}
{{- else -}}
{{- $credentials = append $credentials (dict "setting" "RPC_URL_FILE" "file" "rpc-url" "secret" .root.Values.attestation.rpc) -}}
{{- end -}}
{{ include "bonafides.process" (dict "root" .root "component" .component "service" "attestation" "role" .role "values" .values "args" .args "kafka" true "nodes" true "httpPort" 0 "single" true "credentials" $credentials "settings" (list .root.Values.attestation.settings) "fixed" $fixed) }}
{{- end -}}
