//! Bundles of roles and rules of alerts, as an access edit writes them.

use super::{AccessEdit, Written};
use crate::domain::access::{Role, Scope};
use crate::domain::alert::Channel;
use crate::domain::change::NewAlert;
use crate::kernel::fold;
use crate::kernel::id::{AlertId, BundleId, OrgId};
use crate::store::db::{Result, corrupt};
use crate::store::{alerts, bundles};

impl AccessEdit<'_> {
    /// Makes a bundle or replaces its content; `Taken` when another one of the organisation has the name.
    ///
    /// # Errors
    /// The database's.
    pub async fn put_bundle(
        &mut self,
        org: &OrgId,
        bundle: &BundleId,
        name: &str,
        grants: &[(Role, Scope)],
    ) -> Result<Written> {
        if !self.orgs.contains_key(org) {
            return Ok(Written::Missing);
        }
        if bundles::is_taken(self.tx, org, name, bundle).await? {
            return Ok(Written::Taken);
        }
        let before = bundles::find(self.tx, org, bundle).await?;
        if before.as_ref().is_some_and(|before| before.name == name.trim() && before.grants == grants) {
            return Ok(Written::Already);
        }
        let sql = if before.is_some() {
            "UPDATE role_bundles SET name = $3, name_key = $4, grants = $5 WHERE org_id = $1 AND id = $2"
        } else {
            "INSERT INTO role_bundles (org_id, id, name, name_key, grants, created_at) VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT DO NOTHING"
        };
        let (at, grants) = (self.at.0, bundles::json(grants)?);
        let mut query = self
            .tx
            .query(sql)
            .bind(org.as_str().to_owned())
            .bind(bundle.as_str().to_owned())
            .bind(name.trim().to_owned())
            .bind(fold::key(name))
            .bind(grants);
        if before.is_none() {
            query = query.bind(at);
        }
        Ok(Written::from_rows(query.execute().await?, Written::Missing))
    }

    /// Removes a bundle.
    ///
    /// # Errors
    /// The database's.
    pub async fn remove_bundle(&mut self, org: &OrgId, bundle: &BundleId) -> Result<Written> {
        let rows = self
            .tx
            .query("DELETE FROM role_bundles WHERE org_id = $1 AND id = $2")
            .bind(org.as_str().to_owned())
            .bind(bundle.as_str().to_owned())
            .execute()
            .await?;
        Ok(Written::from_rows(rows, Written::Missing))
    }

    /// Makes a rule of alerts or replaces it. The signing secret stays where no new one is given, and goes with the
    /// webhook.
    ///
    /// # Errors
    /// The database's.
    pub async fn put_alert(&mut self, org: &OrgId, alert: &NewAlert) -> Result<Written> {
        if !self.orgs.contains_key(org) {
            return Ok(Written::Missing);
        }
        let name = alert.name.trim();
        let before = alerts::find(self.tx, org, &alert.id).await?;
        let same = before.as_ref().is_some_and(|before| {
            before.name == name && before.active == alert.active && before.rule == alert.rule && alert.sealed.is_none()
        });
        if same {
            return Ok(Written::Already);
        }
        let sealed = match (&alert.rule.channel, &before, &alert.sealed) {
            (Channel::Mail { .. }, _, _) => None,
            (Channel::Webhook { .. }, _, Some(new)) => Some(new.clone()),
            (Channel::Webhook { .. }, Some(_), None) => alerts::sealed(self.tx, &alert.id).await?,
            (Channel::Webhook { .. }, None, None) => None,
        };
        let rule = serde_json::to_string(&alert.rule).map_err(|e| corrupt(&e.to_string()))?;
        let sql = if before.is_some() {
            "UPDATE alert_rules SET name = $3, state = $4, rule = $5, sealed = $6 WHERE org_id = $1 AND id = $2"
        } else {
            "INSERT INTO alert_rules (org_id, id, name, state, rule, sealed, created_at, created_by)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING"
        };
        let (at, author) = (self.at.0, self.author().to_owned());
        let mut query = self
            .tx
            .query(sql)
            .bind(org.as_str().to_owned())
            .bind(alert.id.as_str().to_owned())
            .bind(name.to_owned())
            .bind(if alert.active { "active" } else { "disabled" })
            .bind(rule)
            .bind(sealed);
        if before.is_none() {
            query = query.bind(at).bind(author);
        }
        Ok(Written::from_rows(query.execute().await?, Written::Missing))
    }

    /// Removes a rule of alerts with its secret.
    ///
    /// # Errors
    /// The database's.
    pub async fn remove_alert(&mut self, org: &OrgId, alert: &AlertId) -> Result<Written> {
        let rows = self
            .tx
            .query("DELETE FROM alert_rules WHERE org_id = $1 AND id = $2")
            .bind(org.as_str().to_owned())
            .bind(alert.as_str().to_owned())
            .execute()
            .await?;
        Ok(Written::from_rows(rows, Written::Missing))
    }
}
