{{- define "wattproof.name" -}}
{{ printf "%s-wattproof" .Release.Name | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- define "wattproof.labels" -}}
app.kubernetes.io/name: wattproof
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "wattproof.meta" -}}
{{ include "wattproof.labels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "wattproof.image" -}}
{{ required "image.repository: name the image that deploy/Containerfile makes" .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "wattproof.settingsSecret" -}}
{{ .Values.existingSettingsSecret | default (printf "%s-settings" (include "wattproof.name" .)) }}
{{- end }}

{{- define "wattproof.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "wattproof.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "wattproof.environment" -}}
- {name: OMP_NUM_THREADS, value: "1"}
- {name: NUMBA_CACHE_DIR, value: /var/cache/wattproof}
{{- end }}

{{- define "wattproof.mounts" -}}
- {name: state, mountPath: /var/lib/wattproof}
- {name: cache, mountPath: /var/cache/wattproof}
- {name: tmp, mountPath: /tmp}
- {name: settings, mountPath: /etc/wattproof/settings, readOnly: true}
- {name: keys, mountPath: /etc/wattproof/keys, readOnly: true}
{{- if .Values.operatorKey.existingSecret }}
- {name: operator-key, mountPath: /etc/wattproof/operator, readOnly: true}
{{- end }}
{{- end }}

{{- define "wattproof.volumes" -}}
- name: state
  persistentVolumeClaim:
    claimName: {{ .Values.persistence.existingClaim | default (include "wattproof.name" .) }}
- {name: cache, emptyDir: {}}
- {name: tmp, emptyDir: {}}
- name: settings
  secret:
    secretName: {{ include "wattproof.settingsSecret" . }}
    defaultMode: 0440
- name: keys
  secret:
    secretName: {{ required "keys.existingSecret: a Secret with what `wattproof keys` made" .Values.keys.existingSecret }}
    defaultMode: 0440
    items:
      - {key: authority.pem, path: authority.pem}
      - {key: coordinator.pem, path: coordinator.pem}
      - {key: coordinator.key, path: coordinator.key}
      {{- if not .Values.homes }}
      {{- fail "homes: name the homes whose public keys are in keys.existingSecret" }}
      {{- end }}
      {{- range .Values.homes }}
      - {key: {{ . }}.pub, path: agents/{{ . }}.pub}
      {{- end }}
{{- if .Values.operatorKey.existingSecret }}
- name: operator-key
  secret:
    secretName: {{ .Values.operatorKey.existingSecret }}
    defaultMode: 0440
    items:
      - {key: operator.key, path: operator.key}
{{- end }}
{{- end }}
