/*
 * BcVerify ROOT DIRECTORY... - verify signature.der in each by Bouncy Castle,
 * and say "good DIRECTORY: who" or "bad DIRECTORY: why".
 *
 * With content.bin beside it the signature is detached, else the content is
 * in it. One signer, its chain by PKIX from the certificates of the message
 * to ROOT, and CMSAlgorithmProtection, which Bouncy Castle compares itself.
 */
import java.io.File;
import java.io.FileInputStream;
import java.nio.file.Files;
import java.security.Security;
import java.security.cert.CertPathBuilder;
import java.security.cert.CertificateFactory;
import java.security.cert.PKIXBuilderParameters;
import java.security.cert.TrustAnchor;
import java.security.cert.X509CertSelector;
import java.security.cert.X509Certificate;
import java.util.Collection;
import java.util.Collections;

import org.bouncycastle.asn1.cms.CMSAttributes;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.jcajce.JcaCertStoreBuilder;
import org.bouncycastle.cms.CMSProcessableFile;
import org.bouncycastle.cms.CMSSignedData;
import org.bouncycastle.cms.SignerInformation;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoVerifierBuilder;
import org.bouncycastle.jce.provider.BouncyCastleProvider;

public class BcVerify {
	public static void main(String[] args) throws Exception {
		Security.addProvider(new BouncyCastleProvider());
		for (int i = 1; i < args.length; i++)
			try {
				System.out.println("good " + args[i] + ": " +
				    verify(args[0], args[i]));
			} catch (Exception e) {
				System.out.println("bad " + args[i] + ": " +
				    e);
			}
	}

	private static String verify(String root, String directory)
	    throws Exception {
		File content = new File(directory, "content.bin");
		byte[] der = Files.readAllBytes(
		    new File(directory, "signature.der").toPath());
		CMSSignedData data = content.exists() ?
		    new CMSSignedData(new CMSProcessableFile(content), der) :
		    new CMSSignedData(der);
		Collection<SignerInformation> signers =
		    data.getSignerInfos().getSigners();
		if (signers.size() != 1)
			throw new Exception(signers.size() + " signers");
		SignerInformation signer = signers.iterator().next();
		if (signer.getSignedAttributes()
		    .get(CMSAttributes.cmsAlgorithmProtect) == null)
			throw new Exception("no CMSAlgorithmProtection");
		Collection<X509CertificateHolder> certs =
		    data.getCertificates().getMatches(signer.getSID());
		X509CertificateHolder cert = certs.iterator().next();
		if (!signer.verify(new JcaSimpleSignerInfoVerifierBuilder()
		    .setProvider("BC").build(cert)))
			throw new Exception("the signature is wrong");
		checkPath(root, data, cert);
		return cert.getSubject().toString();
	}

	private static void checkPath(String root, CMSSignedData data,
	    X509CertificateHolder cert) throws Exception {
		CertificateFactory factory =
		    CertificateFactory.getInstance("X.509", "BC");
		X509CertSelector target = new X509CertSelector();
		X509Certificate anchor;

		try (FileInputStream in = new FileInputStream(root)) {
			anchor = (X509Certificate) factory
			    .generateCertificate(in);
		}
		target.setIssuer(cert.getIssuer().getEncoded());
		target.setSerialNumber(cert.getSerialNumber());
		PKIXBuilderParameters rules = new PKIXBuilderParameters(
		    Collections.singleton(new TrustAnchor(anchor, null)),
		    target);
		rules.addCertStore(new JcaCertStoreBuilder()
		    .setProvider("BC")
		    .addCertificates(data.getCertificates()).build());
		rules.setRevocationEnabled(false);
		CertPathBuilder.getInstance("PKIX", "BC").build(rules);
	}
}
